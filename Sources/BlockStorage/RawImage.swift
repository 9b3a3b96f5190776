import CLinux
import CURing
import Glibc
import LinuxSystem
import Synchronization

/// A raw image: a regular file or a block device.
package final class RawImage: BlockImage {
    /// Which way operations take.
    package enum EngineChoice: Sendable {
        /// io_uring where the kernel lets us, else calls that wait.
        case automatic
        case ring
        case blocking
    }

    package let isReadOnly: Bool
    package let geometry: BlockGeometry
    private let file: RawFile
    private let path: String
    private let engine: EngineChoice
    private let size: Atomic<UInt64>

    /// Opens and locks the image: others may use it only where they, too, only read.
    ///
    /// - Throws: `BlockStorageError` that says what is wrong with the file, or that it is in use.
    package init(
        _ path: String, isReadOnly: Bool, cache: DiskSource.Cache = .writeback, engine: EngineChoice = .automatic
    ) throws(BlockStorageError) {
        self.path = path
        self.isReadOnly = isReadOnly
        self.engine = engine
        // Before it is opened, because opening some devices does things.
        let isBlockDevice = try Self.kind(path) { stat(path, $0) }
        do throws(Errno) {
            // A block device that is mounted, or another's, refuses an exclusive open.
            let exclusive = isBlockDevice && !isReadOnly ? O_EXCL : 0
            let direct = cache == .none ? Int32(hv_open_direct) : 0
            // Whatever the name leads to by now, the call does not wait.
            let descriptor = try FileDescriptor(
                opening: path, (isReadOnly ? O_RDONLY : O_RDWR) | exclusive | direct | O_NOCTTY | O_NONBLOCK)
            // Of operations, though, it is wanted that they wait: io_uring would answer EAGAIN.
            try retryingInterrupts { fcntl(descriptor.raw, F_SETFL, direct) }
            file = RawFile(descriptor, isBlockDevice: isBlockDevice)
        } catch {
            throw Self.failure(path, error, cache: cache, isReadOnly: isReadOnly)
        }
        let opened = file.raw
        guard try Self.kind(path, { fstat(opened, $0) }) == isBlockDevice else {
            throw BlockStorageError("\(path) became another file while it was opened")
        }
        if hv_lock_file(file.raw, !isReadOnly) != 0 {
            let error = Errno.last
            let isHeld = error.code == EAGAIN || error.code == EACCES
            throw BlockStorageError(
                isHeld
                    ? "\(path) is in use: another program has it open\(isReadOnly ? " for writing" : "")"
                    : "\(path) can't be locked: \(error)")
        }
        geometry = Self.geometry(file, isDirect: cache == .none)
        let bytes = try Self.size(of: file, path)
        guard bytes >= UInt64(geometry.logicalBlockSize) else {
            throw BlockStorageError("\(path) has \(bytes) bytes, too few for a disk")
        }
        size = Atomic(bytes)
    }

    /// - Returns: whether it is a block device.
    private static func kind(
        _ path: String, _ look: (UnsafeMutablePointer<stat>) -> Int32
    ) throws(BlockStorageError) -> Bool {
        var status = stat()
        guard look(&status) == 0 else { throw BlockStorageError("\(path) can't be opened: \(Errno.last)") }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return false
        case S_IFBLK: return true
        default: throw BlockStorageError("\(path) is neither a regular file nor a block device")
        }
    }

    private static func failure(
        _ path: String, _ error: Errno, cache: DiskSource.Cache, isReadOnly: Bool
    ) -> BlockStorageError {
        switch error.code {
        case EBUSY: BlockStorageError("\(path) is in use by this machine: it is mounted, or part of another device")
        case EINVAL where cache == .none:
            BlockStorageError("\(path) can't be opened: its file system has no direct I/O; use the cache 'writeback'")
        case EACCES, EPERM, EROFS:
            BlockStorageError("\(path) can't be opened for \(isReadOnly ? "reading" : "reading and writing"): \(error)")
        default: BlockStorageError("\(path) can't be opened: \(error)")
        }
    }

    private static func geometry(_ file: RawFile, isDirect: Bool) -> BlockGeometry {
        var geometry = BlockGeometry()
        if file.isBlockDevice {
            var (bytes, logical, physical): (UInt64, UInt32, UInt32) = (0, 0, 0)
            if hv_block_device(file.raw, &bytes, &logical, &physical) == 0 {
                geometry.logicalBlockSize = sane(logical, or: 512)
                geometry.physicalBlockSize = max(sane(physical, or: 4096), geometry.logicalBlockSize)
            }
        }
        guard isDirect else { return geometry }
        var (memory, offset): (UInt32, UInt32) = (0, 0)
        if hv_direct_alignment(file.raw, &memory, &offset) != 0 {
            // Nothing is said. What a block device needs is known; for files a page suits all file systems.
            (memory, offset) = file.isBlockDevice ? (UInt32(geometry.logicalBlockSize), 512) : (4096, 4096)
        }
        geometry.memoryAlignment = sane(memory, or: 4096, least: 1)
        // Whatever is enough for addresses: each buffer is whole blocks long.
        geometry.lengthAlignment = sane(offset, or: 4096)
        geometry.logicalBlockSize = max(sane(offset, or: 4096), geometry.logicalBlockSize)
        geometry.physicalBlockSize = max(geometry.physicalBlockSize, geometry.logicalBlockSize)
        return geometry
    }

    private static func sane(_ size: UInt32, or other: Int, least: Int = 512) -> Int {
        let value = Int(size)
        return value >= least && value <= 1 << 20 && value & (value - 1) == 0 ? value : other
    }

    private static func size(of file: RawFile, _ path: String) throws(BlockStorageError) -> UInt64 {
        if file.isBlockDevice {
            var (bytes, logical, physical): (UInt64, UInt32, UInt32) = (0, 0, 0)
            guard hv_block_device(file.raw, &bytes, &logical, &physical) == 0 else {
                throw BlockStorageError("the size of \(path) can't be found: \(Errno.last)")
            }
            return min(bytes, UInt64(Int64.max))
        }
        do throws(Errno) {
            return try file.descriptor.size()
        } catch {
            throw BlockStorageError("the size of \(path) can't be found: \(error)")
        }
    }

    package var byteCount: UInt64 { size.load(ordering: .relaxed) }

    package func refreshSize() throws(BlockStorageError) -> UInt64 {
        let bytes = try Self.size(of: file, path)
        size.store(bytes, ordering: .relaxed)
        return bytes
    }

    package func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine {
        guard engine != .blocking else { return BlockingEngine(file) }
        do throws(Errno) {
            return try RingEngine(file, depth: depth)
        } catch {
            if engine == .automatic { return BlockingEngine(file) }
            throw BlockStorageError("io_uring is not to be had: \(error)")
        }
    }
}
