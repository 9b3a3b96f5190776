import BlockStorage
import ImageStore

/// An image of a disk that volumes are made from. Its bytes never change.
package struct ImageResource: Sendable, Equatable {
    package var id: String
    package var format: DiskSource.Format
    /// Bytes of the disk that a guest sees.
    package var virtualSize: UInt64
    /// Bytes of the file, holes among them.
    package var fileSize: UInt64
    /// SHA-256 of the file in lower-case hexadecimal digits.
    package var digest: String
    package var labels: [String: String]
    /// The file's name in the directory of images.
    package var file: String
    /// Nanoseconds since 1970.
    package var createdAt: UInt64
    package var updatedAt: UInt64
    /// Goes up with every change; the ETag.
    package var revision: UInt64

    package init(
        id: String, format: DiskSource.Format, virtualSize: UInt64, fileSize: UInt64, digest: String,
        labels: [String: String], file: String, createdAt: UInt64, updatedAt: UInt64, revision: UInt64
    ) {
        self.id = id
        self.format = format
        self.virtualSize = virtualSize
        self.fileSize = fileSize
        self.digest = digest
        self.labels = labels
        self.file = file
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.revision = revision
    }
}

/// What a client says of an image that it brings.
package struct ImageRequest: Sendable, Equatable {
    package var id: String
    /// Nil: its bytes say.
    package var format: DiskSource.Format?
    /// SHA-256 in lower-case hexadecimal digits; nil: the client does not say.
    package var digest: String?
    package var labels: [String: String]

    package init(
        id: String, format: DiskSource.Format? = nil, digest: String? = nil, labels: [String: String] = [:]
    ) {
        self.id = id
        self.format = format
        self.digest = digest
        self.labels = labels
    }
}

/// A disk that guests write.
package struct VolumeResource: Sendable, Equatable {
    /// How a volume comes from its image.
    package enum Method: String, Sendable, CaseIterable {
        /// A reflink where the file system can, else a full copy.
        case auto
        /// A file that shares the image's blocks until they are written.
        case reflink
        case fullCopy
        /// A qcow2 image over the image, which stays for as long as the volume.
        case overlay
    }

    package var id: String
    package var format: DiskSource.Format
    /// Bytes of the disk that a guest sees.
    package var size: UInt64
    /// The image that it was made from; nil: none.
    package var image: String?
    /// How; never `auto`. Nil for a blank one.
    package var method: Method?
    /// The file of the image that the volume builds on, in the directory of images; nil: it builds on none.
    package var backingFile: String?
    package var labels: [String: String]
    /// The file's name in the directory of volumes.
    package var file: String
    /// Nanoseconds since 1970.
    package var createdAt: UInt64
    package var updatedAt: UInt64
    /// Goes up with every change; the ETag.
    package var revision: UInt64

    package init(
        id: String, format: DiskSource.Format, size: UInt64, image: String?, method: Method?, backingFile: String?,
        labels: [String: String], file: String, createdAt: UInt64, updatedAt: UInt64, revision: UInt64
    ) {
        self.id = id
        self.format = format
        self.size = size
        self.image = image
        self.method = method
        self.backingFile = backingFile
        self.labels = labels
        self.file = file
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.revision = revision
    }
}

/// A volume with what is looked up when it is shown.
package struct VolumeStatus: Sendable, Equatable {
    package var volume: VolumeResource
    /// Bytes that its file takes on the disk; nil: the file can't be found.
    package var bytesOnDisk: UInt64?
    /// The VMs that have it as a disk, in the order of their ids.
    package var users: [String]

    package init(volume: VolumeResource, bytesOnDisk: UInt64?, users: [String]) {
        self.volume = volume
        self.bytesOnDisk = bytesOnDisk
        self.users = users
    }
}

/// A volume as a client asks for it.
package struct VolumeRequest: Sendable, Equatable {
    package var id: String
    /// Bytes; nil: as large as its image.
    package var size: UInt64?
    /// Nil: a blank one.
    package var image: String?
    package var method: VolumeResource.Method
    package var labels: [String: String]

    package init(
        id: String, size: UInt64? = nil, image: String? = nil, method: VolumeResource.Method = .auto,
        labels: [String: String] = [:]
    ) {
        self.id = id
        self.size = size
        self.image = image
        self.method = method
        self.labels = labels
    }
}

/// What a PATCH of an image or a volume changes. Labels follow RFC 7396: a nil value removes the label.
package struct StoragePatch: Sendable, Equatable {
    package var labels: [String: String?]?
    /// Bytes, of a volume; it only grows.
    package var size: UInt64?

    package init(labels: [String: String?]? = nil, size: UInt64? = nil) {
        self.labels = labels
        self.size = size
    }

    package func applied(to labels: [String: String]) -> [String: String] {
        var result = labels
        for (key, value) in self.labels ?? [:] { result[key] = value }
        return result
    }
}

/// What images and volumes come to, for `/metrics`.
package struct StorageSummary: Sendable, Equatable {
    package var images = 0
    /// Bytes of the images' files.
    package var imageBytes: UInt64 = 0
    package var volumes = 0
    /// Bytes of the volumes' disks, as guests see them.
    package var volumeBytes: UInt64 = 0
    /// Bytes taken from clients that uploaded images, since the server started.
    package var uploadedBytes: UInt64 = 0

    package init() {}
}
