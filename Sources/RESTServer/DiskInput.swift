import BlockStorage
import JSON
import ManagementService
import PartitionManager

/// Reads a VM's disks as a client writes them.
enum DiskInput {
    static let fields = ["id", "volume", "path", "format", "readOnly", "serial", "cache", "backing", "rateLimit"]
    static let rateLimitFields = ["bytesPerSecond", "operationsPerSecond"]

    /// The member `disks`; nil where there is none.
    static func disks(_ vm: JSONFields) throws -> [DiskSource]? {
        guard let value = vm.value("disks") else { return nil }
        guard let elements = value.array else { throw JSONFields.wrongType("/disks", "a list of disks", value) }
        return try elements.enumerated().map { index, element in
            try disk(try JSONFields(element, at: "/disks/\(index)", known: fields))
        }
    }

    /// The body of `POST /v1/vms/{id}/disks`.
    static func disk(_ body: JSONValue) throws -> DiskSource { try disk(try JSONFields(body, known: fields)) }

    private static func disk(_ disk: JSONFields) throws -> DiskSource {
        guard let id = try disk.string("id") else { throw disk.missing("id", "a name for the disk") }
        let volume = try disk.string("volume")
        guard let path = try volume == nil ? disk.string("path") : "" else {
            throw disk.missing("path", "a volume, or the absolute path of an image or a block device on the host")
        }
        if volume != nil, let name = ["path", "format", "backing"].first(where: disk.has) {
            throw ServiceError(
                .invalidArgument, "The field '\(disk.pointer(to: name))' follows from the disk's volume.",
                field: disk.pointer(to: name), expected: "nothing, or no volume")
        }
        var result = DiskSource(id: id, path: path)
        result.volume = volume
        result.format = try disk.word("format") ?? result.format
        result.cache = try disk.word("cache") ?? result.cache
        result.isReadOnly = try disk.flag("readOnly") ?? result.isReadOnly
        result.serial = try disk.string("serial") ?? result.serial
        result.backing = try disk.string("backing")
        if let limit = try disk.fields("rateLimit", known: rateLimitFields) {
            let bytes = try limit.wholeNumber("bytesPerSecond")
            let operations = try limit.wholeNumber("operationsPerSecond")
            if bytes != nil || operations != nil {
                result.rateLimit = .init(bytesPerSecond: bytes, operationsPerSecond: operations)
            }
        }
        return result
    }
}

/// How the API shows a disk. Members that do not apply are left out.
enum DiskOutput {
    static func json(_ disk: DiskSource) -> JSONValue {
        var object: JSONObject = ["id": .string(disk.id)]
        // As it was asked for, so that it can be sent back.
        if let volume = disk.volume {
            object["volume"] = .string(volume)
        } else {
            object["path"] = .string(disk.path)
            object["format"] = .string(disk.format.rawValue)
            object["backing"] = disk.backing.map(JSONValue.string)
        }
        object["readOnly"] = .bool(disk.isReadOnly)
        object["serial"] = .string(disk.serial)
        object["cache"] = .string(disk.cache.rawValue)
        if let limit = disk.rateLimit {
            var limits = JSONObject()
            limits["bytesPerSecond"] = limit.bytesPerSecond.map { JSONValue($0) }
            limits["operationsPerSecond"] = limit.operationsPerSecond.map { JSONValue($0) }
            object["rateLimit"] = .object(limits)
        }
        return .object(object)
    }
}
