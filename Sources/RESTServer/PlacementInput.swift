import GuestMemory
import JSON
import LinuxSystem
import ManagementService
import PartitionManager
import WorkerProtocol

/// Reads a placement as a client writes it: `placement`, and what `memory` says of the memory's pages.
enum PlacementInput {
    static let fields = ["processors", "vps", "nodes", "nodePolicy"]

    /// Nil where nothing is said. A null takes a value away, so that its default holds.
    static func patch(_ vm: JSONFields, memory: JSONFields?) throws -> PlacementPatch? {
        var patch = PlacementPatch()
        let defaults = MemoryBacking()
        if vm.isNull("placement") {
            patch.processors = .some(nil)
            patch.vps = .some(nil)
            patch.nodes = .some(nil)
            patch.nodePolicy = defaults.nodePolicy
        } else if let placement = try vm.fields("placement", known: fields) {
            patch.processors = try list(placement, "processors")
            patch.vps = try pins(placement)
            patch.nodes = try list(placement, "nodes")
            patch.nodePolicy =
                placement.isNull("nodePolicy") ? defaults.nodePolicy : try placement.word("nodePolicy")
        }
        if let memory {
            patch.pages = memory.isNull("pages") ? defaults.pages : try memory.word("pages")
            patch.isPrefaulted = memory.isNull("prefault") ? defaults.isPrefaulted : try memory.flag("prefault")
        }
        return patch == PlacementPatch() ? nil : patch
    }

    private static func list(_ fields: JSONFields, _ name: String) throws -> IndexList?? {
        guard fields.has(name) else { return nil }
        if fields.isNull(name) { return .some(nil) }
        return .some(try list(try fields.string(name) ?? "", at: fields.pointer(to: name)))
    }

    private static func pins(_ placement: JSONFields) throws -> [Int: IndexList?]?? {
        guard let value = placement.value("vps") else { return nil }
        if value.isNull { return .some(nil) }
        let place = placement.pointer(to: "vps")
        guard let object = value.object else { throw JSONFields.wrongType(place, "an object of lists", value) }
        var pins: [Int: IndexList?] = [:]
        for (name, value) in object.members {
            let member = JSONFields.place(place, name)
            guard let vp = Int(name), String(vp) == name else {
                throw ServiceError(
                    .invalidArgument, "The member '\(member)' is named for no virtual processor.", field: member,
                    expected: "a number, 0 or more")
            }
            switch value {
            case .null: pins[vp] = .some(nil)
            case .string(let text): pins[vp] = try list(text, at: member)
            default: throw JSONFields.wrongType(member, "a string", value)
            }
        }
        return .some(pins)
    }

    private static func list(_ text: String, at place: String) throws -> IndexList {
        guard let list = IndexList(text) else {
            throw ServiceError(
                .invalidArgument, "The field '\(place)' is no list of numbers below \(IndexList.limit).", field: place,
                expected: "a list such as 0-3,8")
        }
        return list
    }
}

/// How the API shows a placement.
enum PlacementOutput {
    /// What stands among the members of `memory`.
    static func addPages(_ placement: Placement, to memory: inout JSONObject) {
        memory["pages"] = .string(placement.memory.pages.rawValue)
        memory["prefault"] = .bool(placement.memory.isPrefaulted)
    }

    /// Nil where the VM may be anywhere.
    static func json(_ placement: Placement) -> JSONValue? {
        var object = JSONObject()
        object["processors"] = placement.processors.map { .string($0.description) }
        if !placement.vps.isEmpty {
            var pins = JSONObject()
            for (vp, list) in placement.vps.sorted(by: { $0.key < $1.key }) {
                pins[String(vp)] = .string(list.description)
            }
            object["vps"] = .object(pins)
        }
        if let nodes = placement.memory.nodes {
            object["nodes"] = .string(nodes.description)
            object["nodePolicy"] = .string(placement.memory.nodePolicy.rawValue)
        }
        return object.names.isEmpty ? nil : .object(object)
    }
}
