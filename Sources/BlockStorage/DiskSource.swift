/// A disk as a client asks for it: where its image is and how it is used.
package struct DiskSource: Equatable, Sendable {
    package enum Format: String, CaseIterable, Sendable {
        /// The file's bytes are the disk's. It is never guessed: a guest that can write the first bytes of its disk
        /// could else make a raw image look like another format and name files of the host in it.
        case raw
        case qcow2
    }

    package enum Cache: String, CaseIterable, Sendable {
        /// Past the host's page cache (`O_DIRECT`).
        case none
        /// Through the host's page cache; what a guest flushes is on the disk.
        case writeback
    }

    /// The most that a disk may do; nil: as much as it can.
    package struct RateLimit: Equatable, Sendable {
        package var bytesPerSecond: UInt64?
        package var operationsPerSecond: UInt64?

        package init(bytesPerSecond: UInt64? = nil, operationsPerSecond: UInt64? = nil) {
            self.bytesPerSecond = bytesPerSecond
            self.operationsPerSecond = operationsPerSecond
        }
    }

    /// Names the disk among those of its VM.
    package var id: String
    /// The volume whose file `path` is; nil where the client named a path.
    package var volume: String?
    /// A regular file or a block device of the host.
    package var path: String
    package var format: Format
    package var isReadOnly: Bool
    /// What the guest reads as the disk's serial number; at most 20 bytes of printable ASCII.
    package var serial: String
    package var cache: Cache
    /// The backing file that a qcow2 image may name; one that it names without this is refused.
    package var backing: String?
    package var rateLimit: RateLimit?

    /// The member by which a client names the image.
    package var imageField: String { volume == nil ? "path" : "volume" }

    /// virtio 1.2, 5.2.6: the length of the field that the driver reads.
    package static let maximumSerial = 20
    /// The root bus has 32 places, some of which other devices need.
    package static let maximumCount = 16

    package init(
        id: String, path: String, format: Format = .raw, isReadOnly: Bool = false, serial: String? = nil,
        cache: Cache = .writeback, backing: String? = nil, rateLimit: RateLimit? = nil
    ) {
        self.id = id
        self.path = path
        self.format = format
        self.isReadOnly = isReadOnly
        self.serial = serial ?? String(id.prefix(Self.maximumSerial))
        self.cache = cache
        self.backing = backing
        self.rateLimit = rateLimit
    }
}
