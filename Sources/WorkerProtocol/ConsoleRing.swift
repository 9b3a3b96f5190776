import LinuxSystem

/// The last bytes that a guest printed, in a file that survives the process which writes it.
///
/// The file is a header page and the data. Console offsets count the bytes printed since the VM was defined; byte `o`
/// lies at `o % capacity` of the data. There is one writer at a time, which never waits, and any number of readers in
/// other processes, which take no lock:
///
/// | at | field | |
/// | --- | --- | --- |
/// | 0 | magic | `hvroring` |
/// | 8 | version | u32, 1 |
/// | 16 | capacity | u64, bytes of data |
/// | 64 | total | u64, bytes printed and readable |
/// | 72 | reserved | u64, `total` as it will be after the write under way |
///
/// The writer raises `reserved`, copies the bytes, then raises `total`. A reader copies first and looks at `reserved`
/// after that: whatever the writer may have overwritten meanwhile is dropped. A writer killed between the two leaves a
/// `reserved` above `total`, which costs a reader the bytes that were being overwritten and nothing else.
package enum ConsoleRing {
    package static let defaultCapacity = 1 << 20
    package static let capacities = 4096...(1 << 30)

    static let headerSize = 4096
    static let magic: UInt64 = 0x676E_6972_6F72_7668  // "hvroring", little-endian
    static let version: UInt32 = 1
    static let totalOffset = 64
    static let reservedOffset = 72

    /// Some of a console.
    package struct Chunk: Sendable, Equatable {
        package var bytes: [UInt8]
        /// The console offset of the first byte: above the one asked for where older bytes are no longer kept.
        package var offset: UInt64
        /// Where to go on reading.
        package var nextOffset: UInt64

        package init(bytes: [UInt8], offset: UInt64, nextOffset: UInt64) {
            self.bytes = bytes
            self.offset = offset
            self.nextOffset = nextOffset
        }
    }

    package enum Failure: Error, Equatable, Sendable, CustomStringConvertible {
        case system(Errno)
        /// The file is not a console ring, or is damaged, and how that shows.
        case damaged(String)

        package var description: String {
            switch self {
            case .system(let error): "the console ring can't be used: \(error)"
            case .damaged(let reason): "the console ring is damaged: \(reason)"
            }
        }
    }

    /// The header's fields, checked.
    struct Header: Equatable {
        var capacity: UInt64
        var total: UInt64
        var reserved: UInt64

        /// - Parameter fileSize: in bytes; a header that promises more is refused.
        init(_ bytes: [UInt8], fileSize: UInt64) throws(Failure) {
            guard bytes.count >= ConsoleRing.reservedOffset + 8 else { throw .damaged("it has no whole header") }
            let magic = littleEndian(bytes, 0, as: UInt64.self)
            guard magic == ConsoleRing.magic else { throw .damaged("it does not start with the ring's magic") }
            let version = littleEndian(bytes, 8, as: UInt32.self)
            guard version == ConsoleRing.version else { throw .damaged("its version is \(version), not 1") }
            capacity = littleEndian(bytes, 16, as: UInt64.self)
            guard let size = Int(exactly: capacity), ConsoleRing.capacities.contains(size) else {
                throw .damaged("its capacity is \(capacity) bytes")
            }
            guard fileSize >= UInt64(ConsoleRing.headerSize) + capacity else {
                throw .damaged("it has \(fileSize) bytes, less than its capacity of \(capacity)")
            }
            total = littleEndian(bytes, ConsoleRing.totalOffset, as: UInt64.self)
            reserved = littleEndian(bytes, ConsoleRing.reservedOffset, as: UInt64.self)
            // A reader may find a new `reserved` beside an old `total`, or, between the writer's two stores, the
            // other way round.
            guard total <= UInt64(Int64.max), reserved <= UInt64(Int64.max) else {
                throw .damaged("it claims \(max(total, reserved)) bytes printed")
            }
        }

        /// The oldest console offset whose byte is surely whole.
        var oldest: UInt64 {
            let newest = max(total, reserved)
            return newest > capacity ? newest - capacity : 0
        }
    }
}

/// The little-endian number at `offset`; 0 where the bytes end before it does.
func littleEndian<T: FixedWidthInteger & UnsignedInteger>(_ bytes: [UInt8], _ offset: Int, as: T.Type) -> T {
    let size = T.bitWidth / 8
    guard offset >= 0, bytes.count - offset >= size else { return 0 }
    var value: T = 0
    for index in 0..<size { value |= T(truncatingIfNeeded: bytes[offset + index]) << T(8 * index) }
    return value
}
