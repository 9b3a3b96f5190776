import CLinux
import Glibc
import LinuxSystem
import Synchronization

extension ConsoleRing {
    /// Appends to a console ring. One writer at a time: the VM's worker, or the simulated guest in the server.
    package final class Writer: Sendable {
        /// The mapped file. The lock is held for a copy of at most the ring's capacity, and only our threads take it.
        private let mapping: Mutex<MemoryMapping>
        private let capacity: Int
        /// Why an older ring at the path was not continued but started anew; nil where there was none or it was.
        package let replaced: Failure?

        /// Continues the ring at `path`, with its own capacity; makes it where it is missing or damaged. All of its
        /// blocks are allocated at once, because a store to a mapped page that the disk has no room for is fatal.
        ///
        /// - Parameter capacity: bytes of a new ring, in `ConsoleRing.capacities`; others are brought into it.
        package init(_ path: String, capacity: Int = ConsoleRing.defaultCapacity) throws(Failure) {
            var damage: Failure?
            do throws(Errno) {
                let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK)
                var header: Header?
                let size = try file.size()
                if size > 0 {
                    let bytes = try file.read(count: headerSize, at: 0)
                    do throws(Failure) {
                        let found = try Header(bytes, fileSize: size)
                        guard found.reserved >= found.total, found.reserved - found.total <= found.capacity else {
                            throw .damaged("its counters are \(found.total) and \(found.reserved)")
                        }
                        header = found
                    } catch {
                        damage = error
                    }
                }
                let chosen = min(max(capacity, capacities.lowerBound), capacities.upperBound)
                let data = header.map { Int($0.capacity) } ?? chosen
                if header == nil { try Self.format(file, capacity: data) }
                try Self.allocate(file, headerSize + data)
                mapping = Mutex(try MemoryMapping(file: file, count: headerSize + data, writable: true))
                self.capacity = data
            } catch {
                throw .system(error)
            }
            replaced = damage
        }

        /// Bytes printed so far.
        package var total: UInt64 { mapping.withLock { hv_atomic_load_u64($0.base + totalOffset) } }

        /// Appends `bytes`; where there are more than the ring holds, the last of them stay.
        package func write(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.count > 0 else { return }
            let capacity = capacity
            mapping.withLock { mapping in
                // Sound: the mapping is header and data, and every position below is taken modulo the capacity.
                let header = mapping.base
                let total = hv_atomic_load_u64(header + totalOffset)
                let (end, overflow) = total.addingReportingOverflow(UInt64(bytes.count))
                guard !overflow else { return }
                let reserved = hv_atomic_load_u64(header + reservedOffset)
                if end > reserved { hv_atomic_store_u64(header + reservedOffset, end) }
                hv_fence()
                let skipped = max(bytes.count - capacity, 0)
                var source = UnsafeRawBufferPointer(rebasing: bytes[skipped...])
                var position = Int((total + UInt64(skipped)) % UInt64(capacity))
                while let start = source.baseAddress, source.count > 0 {
                    let piece = min(source.count, capacity - position)
                    (header + headerSize + position).copyMemory(from: start, byteCount: piece)
                    source = UnsafeRawBufferPointer(rebasing: source[piece...])
                    position = 0
                }
                hv_atomic_store_u64(header + totalOffset, end)
            }
        }

        /// Appends `bytes`.
        package func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

        /// Makes `file` an empty ring. The magic is written last: a crash before it leaves a file that is damaged.
        private static func format(_ file: borrowing FileDescriptor, capacity: Int) throws(Errno) {
            let number = file.raw
            try retryingInterrupts { ftruncate(number, 0) }
            try allocate(file, headerSize + capacity)
            let mapping = try MemoryMapping(file: file, count: headerSize, writable: true)
            mapping.base.storeBytes(of: version.littleEndian, toByteOffset: 8, as: UInt32.self)
            mapping.base.storeBytes(of: UInt64(capacity).littleEndian, toByteOffset: 16, as: UInt64.self)
            hv_fence()
            mapping.base.storeBytes(of: magic.littleEndian, toByteOffset: 0, as: UInt64.self)
        }

        private static func allocate(_ file: borrowing FileDescriptor, _ count: Int) throws(Errno) {
            let code = posix_fallocate(file.raw, 0, off_t(count))
            if code != 0 { throw Errno(code) }
        }
    }
}
