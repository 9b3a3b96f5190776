import BlockStorage
import Glibc
import LinuxSystem

/// Writes an image that comes piece by piece, however large: its digest is made on the way, and blocks of zeros become
/// holes. The unfinished file goes away with this object unless `finish` gave it its name.
///
/// Unchecked: its owner calls from one thread at a time.
package final class ImageWriter: @unchecked Sendable {
    private static let block = 64 << 10
    private static let zeros = [UInt8](repeating: 0, count: block)

    private let directory: StoreDirectory
    private let temporary: String
    private let file: FileDescriptor
    private let digest: SHA256
    private var isFinished = false
    /// Bytes taken so far.
    package private(set) var byteCount: UInt64 = 0

    /// What an image turned out to be.
    package struct Result: Equatable, Sendable {
        package var description: ImageDescription
        /// SHA-256 of the file in lower-case hexadecimal digits.
        package var digest: String
        package var byteCount: UInt64
    }

    package init(_ directory: StoreDirectory) throws(StorageFailure) {
        self.directory = directory
        temporary = directory.temporaryPath()
        digest = try SHA256()
        do throws(Errno) {
            file = try FileDescriptor(opening: temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        } catch {
            throw StorageFailure(error, "no file can be made in \(directory.path)")
        }
    }

    deinit { if !isFinished { unlink(temporary) } }

    package func write(_ bytes: [UInt8]) throws(StorageFailure) {
        try directory.checkRoom()
        try digest.add(bytes)
        var offset = 0
        while offset < bytes.count {
            // Up to the file's next block border, so that whole blocks of zeros are seen as such.
            let place = byteCount + UInt64(offset)
            let room = Self.block - Int(place % UInt64(Self.block))
            let count = min(room, bytes.count - offset)
            try writeBlock(bytes, offset, count, at: place)
            offset += count
        }
        byteCount += UInt64(bytes.count)
    }

    private func writeBlock(_ bytes: [UInt8], _ offset: Int, _ count: Int, at place: UInt64) throws(StorageFailure) {
        let failure: Errno? = bytes.withUnsafeBytes { all in
            guard let start = all.baseAddress.map({ $0 + offset }) else { return nil }
            let isZero = Self.zeros.withUnsafeBytes { zeros in
                zeros.baseAddress.map { memcmp(start, $0, count) == 0 } ?? false
            }
            if isZero { return nil }
            var done = 0
            while done < count {
                let wrote = pwrite(file.raw, start + done, count - done, off_t(place) + off_t(done))
                if wrote < 0 {
                    if errno == EINTR { continue }
                    return Errno.last
                }
                done += wrote
            }
            return nil
        }
        if let failure { throw StorageFailure(failure, "the image can't be written after \(place) bytes") }
    }

    /// The image is whole: looks at it, and gives it its name when it is what it was said to be. Durable when this
    /// returns.
    ///
    /// - Parameters:
    ///   - declared: the format that was said; nil: none.
    ///   - expected: the SHA-256 that was said; nil: none.
    ///   - name: makes the file's name from the format.
    package func finish(
        declared: DiskSource.Format?, expected: String?, name: (DiskSource.Format) -> String
    ) throws(StorageFailure) -> Result {
        let digest = try digest.finish()
        if let expected, expected != digest {
            throw StorageFailure(
                .invalid, "The SHA-256 of the \(byteCount) bytes is \(digest) and not \(expected) as was said")
        }
        do throws(Errno) {
            // A hole at the end is not there yet.
            try retryingInterrupts { ftruncate(file.raw, off_t(byteCount)) }
        } catch {
            throw StorageFailure(error, "the image can't be written")
        }
        let description: ImageDescription
        do throws(BlockStorageError) {
            description = try ImageInspection.describe(temporary, declared: declared, as: "The image")
        } catch {
            throw StorageFailure(.invalid, "\(error)")
        }
        try directory.adopt(temporary, as: name(description.format))
        isFinished = true
        return Result(description: description, digest: digest, byteCount: byteCount)
    }

    /// Takes all of a file of the host, a block device among them.
    ///
    /// - Parameter isCancelled: asked now and then.
    package func copy(from path: String, isCancelled: () -> Bool) throws(StorageFailure) {
        do throws(Errno) {
            let source = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
            var status = stat()
            if fstat(source.raw, &status) != 0 { throw Errno.last }
            guard [S_IFREG, S_IFBLK].contains(status.st_mode & S_IFMT) else {
                throw Errno(EINVAL)
            }
            while true {
                if isCancelled() { throw Errno(ECANCELED) }
                let bytes = try source.read(count: 1 << 20)
                if bytes.isEmpty { return }
                do throws(StorageFailure) {
                    try write(bytes)
                } catch {
                    writeFailure = error
                    throw Errno(EIO)
                }
            }
        } catch {
            if let writeFailure { throw writeFailure }
            switch error.code {
            case ECANCELED: throw StorageFailure(.cancelled, "The server is ending")
            case EINVAL:
                throw StorageFailure(.unreadable, "\(path) is neither a regular file nor a block device")
            default: throw StorageFailure(.unreadable, "\(path) can't be read: \(error)")
            }
        }
    }

    /// Why a copy ended on the side of the store.
    private var writeFailure: StorageFailure?
}
