import BlockStorage
import JSON

/// A disk in launch files and in the state store: members are only ever added.
extension DiskSource {
    package var json: JSONValue {
        var object: JSONObject = [
            "id": .string(id), "path": .string(path), "format": .string(format.rawValue),
            "readOnly": .bool(isReadOnly), "serial": .string(serial), "cache": .string(cache.rawValue),
        ]
        object["volume"] = volume.map(JSONValue.string)
        object["backing"] = backing.map(JSONValue.string)
        object["bytesPerSecond"] = rateLimit?.bytesPerSecond.map { JSONValue($0) }
        object["operationsPerSecond"] = rateLimit?.operationsPerSecond.map { JSONValue($0) }
        return .object(object)
    }

    package init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        let (format, cache) = (try fields.string("format"), try fields.string("cache"))
        guard let format = Format(rawValue: format), let cache = Cache(rawValue: cache) else {
            throw MessageError("disk: the format \(format) or the cache \(cache) is not known")
        }
        let bytes = try fields.optionalUInt64("bytesPerSecond")
        let operations = try fields.optionalUInt64("operationsPerSecond")
        self.init(
            id: try fields.string("id"), path: try fields.string("path"), format: format,
            isReadOnly: try fields.bool("readOnly"), serial: try fields.string("serial"), cache: cache,
            backing: try fields.optionalString("backing"),
            rateLimit: RateLimit(bytesPerSecond: bytes, operationsPerSecond: operations).orNone)
        volume = try fields.optionalString("volume")
    }

    /// A list of disks; none where there is no list, as before there were disks.
    package static func list(_ json: JSONValue?) throws(MessageError) -> [DiskSource] {
        guard let json, !json.isNull else { return [] }
        guard let elements = json.array else { throw MessageError("disks: must be a list, not \(json.kindName)") }
        guard elements.count <= maximumCount else {
            throw MessageError("disks: \(elements.count), more than the \(maximumCount) that a VM can have")
        }
        var disks: [DiskSource] = []
        for element in elements { disks.append(try DiskSource(element)) }
        return disks
    }
}

extension DiskSource.RateLimit {
    /// Nil for one that limits nothing.
    package var orNone: Self? { self == Self() ? nil : self }
}
