import JSON

extension VMResource {
    /// Names this VM and no other, also not a later one with the same id: cloud-init does its work once for each.
    package var instance: String { Self.instance(id, createdAt: createdAt) }

    static func instance(_ id: String, createdAt: UInt64) -> String { "\(id)-\(String(createdAt, radix: 16))" }
}

/// What a guest's cloud-init is given, as its NoCloud source takes it. The parts are secrets of the guest's owner: they
/// are never shown, logged or put into an event.
package struct CloudInit: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    package var userData: String
    /// YAML or JSON; what it lacks of `instance-id` and `local-hostname` is added.
    package var metaData: String?
    package var networkConfig: String?
    package var vendorData: String?

    package init(
        userData: String, metaData: String? = nil, networkConfig: String? = nil, vendorData: String? = nil
    ) {
        self.userData = userData
        self.metaData = metaData
        self.networkConfig = networkConfig
        self.vendorData = vendorData
    }

    /// Without the parts: a value that is printed by mistake gives nothing away.
    package var description: String { "cloud-init data" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// The id of the disk that holds it. It is the last one.
    package static let diskID = "cloud-init"
    /// In the VM's own directory.
    package static let fileName = "cloud-init.iso"

    /// The text of `meta-data`.
    ///
    /// - Parameters:
    ///   - instance: names this VM and no other, also not a later one with the same id: cloud-init does its work once
    ///     for each.
    ///   - hostname: the name that the guest gets.
    /// - Throws: `JSONError` for text that begins as JSON and is none.
    package func completeMetaData(instance: String, hostname: String) throws -> String {
        let defaults = [("instance-id", instance), ("local-hostname", hostname)]
        let given = metaData ?? ""
        if given.first(where: { !$0.isWhitespace }) == "{" {
            guard var object = try JSONValue.parse(Array(given.utf8)).object else { return given }
            for (name, value) in defaults where object[name] == nil { object[name] = .string(value) }
            return String(decoding: JSONValue.object(object).serialized(), as: UTF8.self) + "\n"
        }
        let lines = given.split(separator: "\n", omittingEmptySubsequences: false)
        let missing = defaults.filter { name, _ in !lines.contains { $0.hasPrefix("\(name):") } }
        // After a line that begins a document ("---"), which has to stay the first.
        let start = lines.firstIndex { $0.hasPrefix("---") }.map { $0 + 1 } ?? 0
        let added = missing.map { "\($0.0): \($0.1)"[...] }
        let all = lines[..<start] + added[...] + lines[start...]
        let text = all.joined(separator: "\n")
        return text.hasSuffix("\n") ? text : text + "\n"
    }

    // MARK: In the state store

    var json: JSONValue {
        var object: JSONObject = ["userData": .string(userData)]
        object["metaData"] = metaData.map(JSONValue.string)
        object["networkConfig"] = networkConfig.map(JSONValue.string)
        object["vendorData"] = vendorData.map(JSONValue.string)
        return .object(object)
    }

    init?(_ json: JSONValue?) {
        guard let userData = json?["userData"]?.string else { return nil }
        self.init(
            userData: userData, metaData: json?["metaData"]?.string, networkConfig: json?["networkConfig"]?.string,
            vendorData: json?["vendorData"]?.string)
    }
}
