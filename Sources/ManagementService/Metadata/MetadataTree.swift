import JSON
import NetworkBackends
import PartitionManager

/// What a guest reads of itself, as a tree of texts: directories are objects.
struct MetadataTree {
    let root: JSONObject

    /// - Parameters:
    ///   - instance: names this VM and no other, as on its seed disk.
    ///   - subnet: of the member's network.
    init(_ vm: VMResource, _ member: NetworkMember, instance: String, subnet: IPv4Subnet?) {
        let cloudInit = vm.specification.cloudInit
        let given = Self.given(cloudInit?.metaData ?? "")
        var data = JSONObject()
        data["instance-id"] = .string(instance)
        data["local-hostname"] = .string(vm.id)
        // What the VM's own meta-data says goes first; where this network is it can't say.
        for (name, value) in given.members where name != "public-keys" && name != "network" {
            if let value = Self.text(value), !name.isEmpty, !name.contains("/") { data[name] = value }
        }
        data["hostname"] = data["local-hostname"]
        data["mac"] = .string(member.mac.description)
        data["local-ipv4"] = member.address.map { .string($0.description) }
        data["network"] = ["interfaces": ["macs": .object(Self.interfaces(vm, subnet: subnet, member))]]
        let keys = Self.keys(given["public-keys"] ?? .null)
        if !keys.isEmpty {
            var directory = JSONObject()
            for (index, key) in keys.enumerated() { directory[String(index)] = ["openssh-key": .string(key)] }
            data["public-keys"] = .object(directory)
        }
        var root: JSONObject = ["meta-data": .object(data)]
        root["user-data"] = cloudInit.map { .string($0.userData) }
        self.root = root
    }

    private static func interfaces(_ vm: VMResource, subnet: IPv4Subnet?, _ member: NetworkMember) -> JSONObject {
        var interfaces = JSONObject()
        for (index, interface) in vm.specification.networkInterfaces.enumerated() {
            guard let mac = interface.mac else { continue }
            var object: JSONObject = [
                "device-number": .string(String(index)), "interface-id": .string(interface.id),
                "mac": .string(mac.description),
            ]
            object["local-ipv4s"] = interface.address.map { .string($0.description) }
            if mac == member.mac { object["subnet-ipv4-cidr-block"] = subnet.map { .string($0.description) } }
            interfaces[mac.description] = .object(object)
        }
        return interfaces
    }

    /// The meta-data that the VM was given: JSON, or of YAML the plain lines `name: value`.
    private static func given(_ text: String) -> JSONObject {
        if text.first(where: { !$0.isWhitespace }) == "{" {
            return (try? JSONValue.parse(Array(text.utf8)))?.object ?? [:]
        }
        var object = JSONObject()
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":"), let first = line.first, first.isLetter else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            let name = line[..<colon]
            guard !value.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || "-_".contains($0) }),
                !"[{|>&*!\"'".contains(value[value.startIndex])
            else { continue }
            object[String(name)] = .string(String(value))
        }
        return object
    }

    /// Public keys as NoCloud knows them: one, a list, or an object of them.
    private static func keys(_ value: JSONValue) -> [String] {
        if let key = value.string { return key.split(separator: "\n").map(String.init) }
        if let list = value.array { return list.flatMap(keys) }
        return value.object?.members.flatMap { keys($0.value) } ?? []
    }

    /// The value with texts at its ends; nil where there is nothing to show.
    private static func text(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .object(let object):
            var result = JSONObject()
            for (name, member) in object.members where !name.isEmpty && !name.contains("/") {
                result[name] = text(member)
            }
            return .object(result)
        case .array(let list): return .string(list.compactMap { text($0)?.string }.joined(separator: "\n"))
        case .string: return value
        default:
            return value.isNull ? nil : .string(String(decoding: value.serialized(), as: UTF8.self))
        }
    }

    /// The value at a path; nil where there is none.
    func value(at path: [Substring]) -> JSONValue? {
        path.reduce(Optional(JSONValue.object(root))) { value, name in value?.object?[String(name)] }
    }

    /// What is in a directory, a name on each line, directories with a slash behind.
    static func listing(_ directory: JSONObject, at path: [Substring]) -> String {
        // The one place where the names are given with what they stand for.
        let isKeys = path == ["meta-data", "public-keys"]
        return directory.members.map { name, value in
            if isKeys { return "\(name)=key-\(name)" }
            return value.object == nil ? name : "\(name)/"
        }.joined(separator: "\n")
    }
}
