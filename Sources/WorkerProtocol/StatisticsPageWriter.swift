import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

extension StatisticsPage {
    /// Counts in a statistics file. Every method may be called from any thread and takes a few nanoseconds.
    package final class Writer: @unchecked Sendable {
        // Unchecked: the mapping's address never changes, and its words are touched by atomic operations only.
        private let mapping: MemoryMapping
        private let vpCount: Int

        /// Makes the file anew for a run that starts now; a reader of an older one keeps the older one. All of its
        /// blocks are allocated at once, because a store to a mapped page that the disk has no room for is fatal.
        ///
        /// - Parameter vpCount: in `StatisticsPage.vpCounts`; others are refused with `EINVAL`.
        package init(directory: String, name: String = VMFiles.statistics, runID: String, vpCount: Int)
            throws(Failure)
        {
            do throws(Errno) {
                guard vpCounts.contains(vpCount) else { throw Errno(EINVAL) }
                let path = "\(directory)/\(name)"
                let temporary = "\(directory)/.\(name).new"
                let size = fileSize(vpCount: vpCount)
                try WholeFile.remove(temporary)
                let file = try FileDescriptor(opening: temporary, O_RDWR | O_CREAT | O_EXCL)
                let code = posix_fallocate(file.raw, 0, off_t(size))
                if code != 0 { throw Errno(code) }
                mapping = try MemoryMapping(file: file, count: size, writable: true)
                self.vpCount = vpCount
                let base = mapping.base
                base.storeBytes(of: magic.littleEndian, as: UInt64.self)
                base.storeBytes(of: version.littleEndian, toByteOffset: 8, as: UInt32.self)
                base.storeBytes(of: UInt32(vpCount).littleEndian, toByteOffset: 12, as: UInt32.self)
                base.storeBytes(of: UInt64(getpid()).littleEndian, toByteOffset: 16, as: UInt64.self)
                base.storeBytes(of: realtimeNanoseconds().littleEndian, toByteOffset: 24, as: UInt64.self)
                for (index, byte) in runID.utf8.prefix(runIDCapacity).enumerated() {
                    base.storeBytes(of: byte, toByteOffset: runIDOffset + index, as: UInt8.self)
                }
                if rename(temporary, path) != 0 { throw Errno.last }
            } catch {
                throw .system(error)
            }
        }

        /// A virtual processor exited. The hot path: one atomic addition.
        package func countExit(vp: Int, reason: ExitReason) {
            guard vp >= 0, vp < vpCount else { return }
            hv_atomic_add_u64(mapping.base + vpOffset(vp) + 8 + 8 * reason.rawValue, 1)
        }

        /// A virtual processor runs on this Linux thread.
        package func setThread(vp: Int, _ thread: Int32) {
            guard vp >= 0, vp < vpCount else { return }
            hv_atomic_store_u64(mapping.base + vpOffset(vp), UInt64(max(thread, 0)))
        }

        package func addConsoleBytes(_ count: Int) { add(.consoleBytes, UInt64(max(count, 0))) }
        package func countReboot() { add(.reboots, 1) }
        package func setMemoryMapped(_ bytes: UInt64) { set(.memoryMapped, bytes) }
        package func setMemoryDeposited(_ bytes: UInt64) { set(.memoryDeposited, bytes) }
        package func setPaused(_ isPaused: Bool) { set(.paused, isPaused ? 1 : 0) }
        package var reboots: UInt64 { hv_atomic_load_u64(mapping.base + Word.reboots.rawValue) }

        /// The hypercalls so far; those beyond the table's 64 places are left out. A pair of code and status keeps the
        /// place it once got, so that a reader never sees a count beside the wrong pair. Only one thread calls this.
        package func setHypercalls(_ counts: [HypercallCount]) {
            for count in counts {
                guard let place = place(of: count) else { continue }
                hv_atomic_store_u64(place, count.count)
                hv_atomic_store_u64(place + 8, key(of: count))
            }
        }

        private func key(of count: HypercallCount) -> UInt64 {
            UInt64(count.code.rawValue) | UInt64(count.status.rawValue) << 16 | 1 << 32
        }

        /// The table's entry for a pair: its own, or the first free one.
        private func place(of count: HypercallCount) -> UnsafeMutableRawPointer? {
            let key = key(of: count)
            for entry in 0..<hypercallCapacity {
                let place = mapping.base + hypercallOffset + entry * hypercallSize
                let found = hv_atomic_load_u64(place + 8)
                if found == key || found == 0 { return place }
            }
            return nil
        }

        /// A request to a disk ended.
        package func countDisk(_ disk: Int, _ kind: DiskCounters.Kind, bytes: UInt64, hasFailed: Bool) {
            guard disk >= 0, disk < diskCapacity else { return }
            let place = mapping.base + diskOffset(disk)
            if hasFailed { hv_atomic_add_u64(place + DiskCounters.errorsOffset, 1) }
            hv_atomic_add_u64(place + kind.operationsOffset, 1)
            if let offset = kind.bytesOffset { hv_atomic_add_u64(place + offset, bytes) }
        }

        /// A disk has this place from now on, with counters at zero; its requests begin afterwards.
        package func setDisk(_ disk: Int, id: String) {
            guard disk >= 0, disk < diskCapacity else { return }
            setDevice(id, nameOffset: diskNameOffset(disk), countersOffset: diskOffset(disk))
        }

        /// The same for a network interface.
        package func setNetworkInterface(_ interface: Int, id: String) {
            guard interface >= 0, interface < networkCapacity else { return }
            setDevice(
                id, nameOffset: networkNameOffset(interface, vpCount: vpCount),
                countersOffset: networkOffset(interface))
        }

        private func setDevice(_ id: String, nameOffset: Int, countersOffset: Int) {
            // Without a name first: a reader takes no counters of the one before for those of this one.
            setName([], at: nameOffset)
            for word in 0..<8 { hv_atomic_store_u64(mapping.base + countersOffset + 8 * word, 0) }
            setName(Array(id.utf8.prefix(deviceNameSize - 1)), at: nameOffset)
        }

        private func setName(_ name: [UInt8], at offset: Int) {
            for index in (0..<deviceNameSize).reversed() {
                let byte = index < name.count ? name[index] : 0
                mapping.base.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
            }
        }

        /// Adds what went through a network interface.
        package func countNetwork(_ interface: Int, _ counters: NetworkCounters) {
            guard interface >= 0, interface < networkCapacity else { return }
            let place = mapping.base + networkOffset(interface)
            for (index, value) in counters.words.enumerated() where value > 0 {
                hv_atomic_add_u64(place + 8 * index, value)
            }
        }

        /// How the balloon is now. One thread at a time.
        package func setBalloon(_ counters: BalloonCounters) {
            for (index, word) in counters.words.enumerated() {
                hv_atomic_store_u64(mapping.base + balloonOffset + 8 * index, word)
            }
        }

        private func add(_ word: Word, _ value: UInt64) { hv_atomic_add_u64(mapping.base + word.rawValue, value) }
        private func set(_ word: Word, _ value: UInt64) { hv_atomic_store_u64(mapping.base + word.rawValue, value) }
    }
}
