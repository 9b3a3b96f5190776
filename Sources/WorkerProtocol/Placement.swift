import GuestMemory
import JSON
import LinuxSystem

/// Where on the host a VM's threads run and what its memory is made of.
package struct Placement: Sendable, Equatable {
    /// Host processors that the VM's threads may run on; nil: those of the memory's NUMA nodes, or all.
    package var processors: IndexList?
    /// Virtual processors with host processors of their own.
    package var vps: [Int: IndexList] = [:]
    package var memory = MemoryBacking()

    package init() {}

    package var json: JSONValue {
        var object = JSONObject()
        object["processors"] = processors.map { .string($0.description) }
        if !vps.isEmpty {
            var pins = JSONObject()
            for (vp, list) in vps.sorted(by: { $0.key < $1.key }) { pins[String(vp)] = .string(list.description) }
            object["vps"] = .object(pins)
        }
        object["nodes"] = memory.nodes.map { .string($0.description) }
        object["nodePolicy"] = .string(memory.nodePolicy.rawValue)
        object["pages"] = .string(memory.pages.rawValue)
        object["prefault"] = .bool(memory.isPrefaulted)
        return .object(object)
    }

    /// None where there is no value, as before there were placements.
    package init(_ json: JSONValue?) throws(MessageError) {
        guard let json, !json.isNull else { return }
        let fields = Fields(json)
        processors = try Self.list("processors", try fields.optionalString("processors"))
        for member in json["vps"]?.object?.members ?? [] {
            guard let vp = Int(member.name), let list = try Self.list("vps", member.value.string) else {
                throw MessageError("vps: \(member.name) is no processor, or has no list")
            }
            vps[vp] = list
        }
        memory.nodes = try Self.list("nodes", try fields.optionalString("nodes"))
        let (policy, pages) = (try fields.string("nodePolicy"), try fields.string("pages"))
        guard let policy = HostPlacement.NodePolicy(rawValue: policy), let pages = MemoryBacking.Pages(rawValue: pages)
        else { throw MessageError("the policy \(policy) or the pages \(pages) are not known") }
        memory.nodePolicy = policy
        memory.pages = pages
        memory.isPrefaulted = try fields.bool("prefault")
    }

    private static func list(_ name: String, _ text: String?) throws(MessageError) -> IndexList? {
        guard let text else { return nil }
        guard let list = IndexList(text) else { throw MessageError("\(name): \(text) is no list") }
        return list
    }
}
