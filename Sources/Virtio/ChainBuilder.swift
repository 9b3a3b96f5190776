import GuestMemory

/// Collects a chain's segments by the rules that hold for both kinds of queue (virtio 1.2, 2.7.4 and 2.7.5).
struct ChainBuilder {
    private(set) var readable: [GuestSegment] = []
    private(set) var writable: [GuestSegment] = []
    /// More segments than the queue has elements can only be a loop.
    private let limit: Int

    init(queueSize: UInt16) { limit = Int(queueSize) }

    /// - Throws: `VirtQueueError` for too many segments, or one to be read behind one to be written.
    mutating func add(gpa: UInt64, count: UInt32, isWritable: Bool) throws(VirtQueueError) {
        guard readable.count + writable.count < limit else {
            throw VirtQueueError("a descriptor chain has more than the queue's \(limit) segments")
        }
        let segment = GuestSegment(gpa: gpa, count: count)
        if isWritable {
            writable.append(segment)
        } else {
            guard writable.isEmpty else {
                throw VirtQueueError("a descriptor chain has a readable segment behind a writable one")
            }
            readable.append(segment)
        }
    }
}

/// A descriptor's 16 bytes, copied out of guest memory. The two kinds of queue put the last fields differently.
struct RawDescriptor {
    var address: UInt64
    var count: UInt32
    /// Flags of a split queue's descriptor; the identifier of a packed one's.
    var first: UInt16
    /// The next index of a split queue's descriptor; the flags of a packed one's.
    var second: UInt16

    static let size = 16

    init(_ memory: GuestMemory, at gpa: UInt64) throws(VirtQueueError) {
        do throws(GuestMemoryError) {
            // One copy of all: what is checked is what is used, whatever the guest writes meanwhile.
            let bytes = try memory.read(gpa, count: Self.size)
            self = bytes.withUnsafeBytes { bytes in
                RawDescriptor(
                    address: UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)),
                    count: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)),
                    first: UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt16.self)),
                    second: UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 14, as: UInt16.self)))
            }
        } catch {
            throw VirtQueueError("a descriptor is not in guest memory: \(error)")
        }
    }

    private init(address: UInt64, count: UInt32, first: UInt16, second: UInt16) {
        self.address = address
        self.count = count
        self.first = first
        self.second = second
    }
}

extension GuestMemory {
    /// Reads a field of a queue.
    func queueField<T: FixedWidthInteger & BitwiseCopyable>(
        _ base: UInt64, _ offset: UInt64, _ type: T.Type
    ) throws(VirtQueueError) -> T {
        do throws(GuestMemoryError) {
            return try load(base &+ offset, as: type)
        } catch {
            throw VirtQueueError("a queue is not in guest memory: \(error)")
        }
    }

    func setQueueField(
        _ base: UInt64, _ offset: UInt64, _ value: some FixedWidthInteger & BitwiseCopyable
    ) throws(VirtQueueError) {
        do throws(GuestMemoryError) {
            try store(base &+ offset, value)
        } catch {
            throw VirtQueueError("a queue is not in guest memory: \(error)")
        }
    }
}
