import BlockStorage
import PartitionManager

extension Validation {
    /// What a rate limit may be: less than 64 KiB/s is a disk that a kernel takes for broken.
    static let bytesPerSecond: ClosedRange<UInt64> = (64 << 10)...(1 << 40)
    static let operationsPerSecond: ClosedRange<UInt64> = 1...100_000_000

    static func check(disks: [DiskSource]) throws(ServiceError) {
        guard disks.count <= DiskSource.maximumCount else {
            throw ServiceError(
                .invalidArgument, "A VM has at most \(DiskSource.maximumCount) disks, not \(disks.count).",
                field: "/disks", expected: "at most \(DiskSource.maximumCount)")
        }
        for (index, disk) in disks.enumerated() {
            try check(disk, field: "/disks/\(index)")
            for (other, earlier) in disks[..<index].enumerated() {
                guard earlier.id != disk.id else {
                    throw ServiceError(
                        .invalidArgument, "The disks \(other) and \(index) have the same id \(quoted(disk.id)).",
                        field: "/disks/\(index)/id", expected: "a different id for each disk")
                }
                guard earlier.path != disk.path || (earlier.isReadOnly && disk.isReadOnly) else {
                    throw ServiceError(
                        .invalidArgument,
                        "The disks '\(earlier.id)' and '\(disk.id)' have the same image \(quoted(disk.path)); only disks "
                            + "that are all read-only can share one.", field: "/disks/\(index)/\(disk.imageField)",
                        expected: "an image of its own")
                }
            }
        }
    }

    /// A disk by itself; `field` is the pointer to it.
    static func check(_ disk: DiskSource, field: String) throws(ServiceError) {
        do throws(ServiceError) {
            try check(id: disk.id)
        } catch {
            throw ServiceError(error.kind, error.detail, field: "\(field)/id", expected: error.expected)
        }
        if disk.volume == nil { try check(path: disk.path, field: "\(field)/path", also: "") }
        let serial = Array(disk.serial.utf8)
        guard serial.count <= DiskSource.maximumSerial, serial.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ServiceError(
                .invalidArgument,
                "The serial number \(quoted(disk.serial)) is not one: it has at most \(DiskSource.maximumSerial) "
                    + "printable ASCII characters and no blanks.", field: "\(field)/serial",
                expected: "at most \(DiskSource.maximumSerial) printable ASCII characters")
        }
        if let backing = disk.backing, disk.volume == nil {
            try check(path: backing, field: "\(field)/backing", also: "")
            guard disk.format == .qcow2 else {
                throw ServiceError(
                    .invalidArgument, "A backing file is for the format qcow2; a raw image has none.",
                    field: "\(field)/backing", expected: "nothing, or the format qcow2")
            }
        }
        guard let limit = disk.rateLimit else { return }
        try inRange(limit.bytesPerSecond, bytesPerSecond, "limit", "\(field)/rateLimit/bytesPerSecond")
        try inRange(limit.operationsPerSecond, operationsPerSecond, "limit", "\(field)/rateLimit/operationsPerSecond")
    }

    static func inRange<Number: BinaryInteger>(
        _ value: Number?, _ range: ClosedRange<Number>, _ what: String, _ field: String
    ) throws(ServiceError) {
        guard let value, !range.contains(value) else { return }
        throw ServiceError(
            .invalidArgument, "The \(what) \(value) is none of \(range.lowerBound) to \(range.upperBound).",
            field: field,
            expected: "\(range.lowerBound)...\(range.upperBound)")
    }
}
