import BlockStorage
import JSON
import PartitionManager

extension Validation {
    /// Up to what QEMU makes a qcow2 image with its usual clusters.
    static let volumeSizes: ClosedRange<UInt64> = 512...(64 << 40)
    /// Bytes of each part of what cloud-init is given.
    static let maximumUserData = 256 << 10
    static let maximumMetaData = 64 << 10

    static func check(_ request: ImageRequest) throws(ServiceError) {
        try check(id: request.id)
        try check(labels: request.labels)
        guard let digest = request.digest else { return }
        let isHexadecimal = digest.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard digest.utf8.count == 64, isHexadecimal else {
            throw ServiceError(
                .invalidArgument, "\(quoted(digest)) is no SHA-256: that is 64 hexadecimal digits.", field: "/sha256",
                expected: "64 hexadecimal digits")
        }
    }

    static func check(_ request: VolumeRequest) throws(ServiceError) {
        try check(id: request.id)
        try check(labels: request.labels)
        if let size = request.size { try check(volumeSize: size) }
        guard request.image == nil else { return }
        guard request.size != nil else {
            throw ServiceError(
                .invalidArgument, "A volume without an image needs a size.", field: "/size",
                expected: "a size, or an image")
        }
        guard request.method == .auto else {
            throw ServiceError(
                .invalidArgument, "A method says how a volume is made from its image; this one has none.",
                field: "/method", expected: "nothing, or an image")
        }
    }

    static func check(volumeSize size: UInt64) throws(ServiceError) {
        guard volumeSizes.contains(size), size % 512 == 0 else {
            throw ServiceError(
                .invalidArgument, "A volume has 512 bytes to 64 TiB in steps of 512, not \(size).", field: "/size",
                expected: "a multiple of 512, up to 64TiB")
        }
    }

    static func check(cloudInit: CloudInit, disks: [DiskSource]) throws(ServiceError) {
        let parts = [
            ("userData", cloudInit.userData, maximumUserData), ("metaData", cloudInit.metaData ?? "", maximumMetaData),
            ("networkConfig", cloudInit.networkConfig ?? "", maximumMetaData),
            ("vendorData", cloudInit.vendorData ?? "", maximumUserData),
        ]
        for (name, text, limit) in parts where text.utf8.count > limit {
            throw ServiceError(
                .invalidArgument, "The \(name) has \(text.utf8.count) bytes; it has at most \(limit).",
                field: "/cloudInit/\(name)", expected: "at most \(limit) bytes")
        }
        guard (try? cloudInit.completeMetaData(instance: "i", hostname: "h")) != nil else {
            throw ServiceError(
                .invalidArgument, "The metaData begins as JSON and is none.", field: "/cloudInit/metaData",
                expected: "YAML, or a JSON object")
        }
        guard disks.count < DiskSource.maximumCount else {
            throw ServiceError(
                .invalidArgument,
                "A VM with cloudInit has at most \(DiskSource.maximumCount - 1) disks: its cloud-init reads one more.",
                field: "/disks", expected: "at most \(DiskSource.maximumCount - 1)")
        }
        if let index = disks.firstIndex(where: { $0.id == CloudInit.diskID }) {
            throw ServiceError(
                .invalidArgument, "The id '\(CloudInit.diskID)' is that of the disk that cloud-init reads.",
                field: "/disks/\(index)/id", expected: "another id")
        }
    }
}
