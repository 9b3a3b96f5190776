import CURing
import Glibc
import LinuxSystem

/// An open file or block device whose bytes are the disk's, and the calls on it that wait.
final class RawFile: Sendable {
    let descriptor: FileDescriptor
    let isBlockDevice: Bool

    init(_ descriptor: consuming FileDescriptor, isBlockDevice: Bool) {
        self.descriptor = descriptor
        self.isBlockDevice = isBlockDevice
    }

    var raw: Int32 { descriptor.raw }

    /// Carries the operation out; returns when it is done.
    func perform(_ operation: BlockOperation) -> Errno? {
        do throws(Errno) {
            switch operation.kind {
            case .read, .write: try transfer(operation)
            case .flush: try retryingInterrupts { fdatasync(raw) }
            case .discard: try discard(operation)
            case .writeZeroes(let mayUnmap, let isDurable):
                try writeZeroes(operation, mayUnmap)
                if isDurable { try retryingInterrupts { fdatasync(raw) } }
            }
            return nil
        } catch {
            return error
        }
    }

    private func transfer(_ whole: BlockOperation) throws(Errno) {
        var operation = whole
        while operation.count > 0 {
            let (vectors, count, offset) = (operation.vectors.baseAddress, operation.vectors.count, operation.offset)
            let done = try retryingInterrupts {
                if case .write(let isDurable) = operation.kind {
                    hv_write_vectors(raw, vectors, UInt32(clamping: count), offset, isDurable)
                } else {
                    hv_read_vectors(raw, vectors, UInt32(clamping: count), offset)
                }
            }
            // The file ends before the disk does: somebody made it shorter.
            guard done > 0 else { throw Errno(EIO) }
            operation.advance(by: UInt64(done))
        }
    }

    private func discard(_ operation: BlockOperation) throws(Errno) {
        do throws(Errno) {
            try allocate(Self.discardMode, operation)
        } catch {
            // A wish: storage that can't give space back has lost nothing.
            guard error.isUnsupported else { throw error }
        }
    }

    static let discardMode = Int32(hv_fallocate_punch_hole | hv_fallocate_keep_size)

    /// `fallocate`'s mode for making bytes zero; a file's holes are zeros too.
    static func zeroMode(mayUnmap: Bool) -> Int32 {
        mayUnmap
            ? discardMode : Int32(hv_fallocate_zero_range | hv_fallocate_keep_size)
    }

    private func writeZeroes(_ operation: BlockOperation, _ mayUnmap: Bool) throws(Errno) {
        for mode in (mayUnmap ? [Self.zeroMode(mayUnmap: true)] : []) + [Self.zeroMode(mayUnmap: false)] {
            do throws(Errno) {
                return try allocate(mode, operation)
            } catch {
                guard error.isUnsupported else { throw error }
            }
        }
        try writeZeroBytes(operation)
    }

    private func allocate(_ mode: Int32, _ operation: BlockOperation) throws(Errno) {
        try retryingInterrupts { hv_fallocate(raw, mode, operation.offset, operation.count) }
    }

    /// By hand, where the file system has no call for it.
    private func writeZeroBytes(_ operation: BlockOperation) throws(Errno) {
        let zeros = try MemoryMapping(anonymous: 256 << 10)
        var vector = iovec()
        var done: UInt64 = 0
        while done < operation.count {
            let count = min(UInt64(zeros.count), operation.count - done)
            vector = iovec(iov_base: zeros.base, iov_len: Int(count))
            let failure = withUnsafeMutablePointer(to: &vector) { pointer in
                perform(
                    BlockOperation(
                        token: 0, kind: .write(isDurable: false), offset: operation.offset + done, count: count,
                        vectors: UnsafeMutableBufferPointer(start: pointer, count: 1)))
            }
            if let failure { throw failure }
            done += count
        }
    }
}

extension Errno {
    /// Whether a call said that it can't be done here at all, so that another way is worth trying.
    var isUnsupported: Bool { [EOPNOTSUPP, ENOSYS, EINVAL].contains(code) }
}
