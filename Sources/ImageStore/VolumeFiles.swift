import BlockStorage
import CLinux
import Glibc
import LinuxSystem

/// Makes the files of volumes. Everything here blocks; what is returned is on the disk.
package struct VolumeFiles: Sendable {
    package let directory: StoreDirectory
    /// Beside `directory`: overlays name their image by a path relative to their own, so that the state directory can
    /// be moved as a whole.
    package let images: StoreDirectory
    private static let step = 16 << 20

    package init(directory: StoreDirectory, images: StoreDirectory) {
        self.directory = directory
        self.images = images
    }

    /// An empty disk of `size` bytes that takes no room before it is written.
    package func makeBlank(_ name: String, size: UInt64) throws(StorageFailure) {
        try make(name, from: nil) { (file, _) throws(Errno) in
            let number = file.raw
            try retryingInterrupts { ftruncate(number, off_t(size)) }
        }
    }

    /// A file that shares the image's blocks until either is written.
    ///
    /// - Throws: `.unsupported` where the file system has no reflinks.
    package func makeReflink(_ name: String, of image: String) throws(StorageFailure) {
        do throws(StorageFailure) {
            try make(name, from: image) { (file, source) throws(Errno) in
                if hv_clone_file(file.raw, source) != 0 { throw Errno.last }
            }
        } catch {
            guard error.kind == .failed else { throw error }
            throw StorageFailure(
                .unsupported,
                "The file system of \(directory.path) does not share blocks between files (\(error.description))")
        }
    }

    /// A copy that keeps the image's holes.
    ///
    /// - Parameter isCancelled: asked now and then.
    package func makeCopy(
        _ name: String, of image: String, isCancelled: @escaping () -> Bool
    ) throws(StorageFailure) {
        try make(name, from: image) { (file, source) throws(Errno) in
            try Self.copy(source, file.raw) { () throws(Errno) in
                if isCancelled() { throw Errno(ECANCELED) }
                if directory.bytesAvailable() == 0 { throw Errno(ENOSPC) }
            }
        }
    }

    /// A qcow2 image over one of the store's, of which it keeps what differs.
    ///
    /// - Parameter size: bytes; nil: those of the image.
    package func makeOverlay(
        _ name: String, of image: String, format: DiskSource.Format, size: UInt64?
    ) throws(StorageFailure) {
        guard let tool = HostTool.qemuImage() else { throw Self.noQemuImage }
        let temporary = directory.temporaryPath()
        let folder = images.path.split(separator: "/").last.map(String.init) ?? ""
        var arguments = [
            "create", "-q", "-f", "qcow2", "-F", format.rawValue, "-b", "../\(folder)/\(image)", temporary,
        ]
        if let size { arguments.append("\(size)") }
        do throws(StorageFailure) {
            try tool.run(arguments, directory: directory.path)
        } catch {
            unlink(temporary)
            throw error
        }
        try directory.adopt(temporary, as: name)
    }

    /// Makes a volume larger; one that is as large already stays as it is.
    ///
    /// - Parameter size: bytes.
    package func grow(_ name: String, format: DiskSource.Format, to size: UInt64) throws(StorageFailure) {
        switch format {
        case .raw:
            do throws(Errno) {
                let file = try FileDescriptor(opening: directory.path(of: name), O_RDWR | O_NOFOLLOW)
                guard try file.size() < size else { return }
                let number = file.raw
                try retryingInterrupts { ftruncate(number, off_t(size)) }
                try retryingInterrupts { fsync(number) }
            } catch {
                throw StorageFailure(error, "the volume can't be made larger")
            }
        case .qcow2:
            guard let tool = HostTool.qemuImage() else { throw Self.noQemuImage }
            try tool.run(
                ["resize", "-q", "-f", "qcow2", directory.path(of: name), "\(size)"], directory: directory.path)
        }
    }

    private static let noQemuImage = StorageFailure(
        .missingTool, "This host has no qemu-img, which makes and resizes qcow2 images (Debian: qemu-utils)")

    /// - Parameter body: fills the file; its second argument is the image's descriptor, or -1.
    private func make(
        _ name: String, from image: String?, _ body: (borrowing FileDescriptor, Int32) throws(Errno) -> Void
    ) throws(StorageFailure) {
        let temporary = directory.temporaryPath()
        do throws(Errno) {
            let file = try FileDescriptor(opening: temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
            if let image {
                let source = try FileDescriptor(opening: images.path(of: image), O_RDONLY | O_NOFOLLOW)
                try body(file, source.raw)
            } else {
                try body(file, -1)
            }
        } catch {
            unlink(temporary)
            if error.code == ECANCELED { throw StorageFailure(.cancelled, "The server is ending") }
            throw StorageFailure(error, "the volume's file can't be made")
        }
        try directory.adopt(temporary, as: name)
    }

    private static func copy(
        _ source: Int32, _ target: Int32, _ checkGoesOn: () throws(Errno) -> Void
    ) throws(Errno) {
        var status = stat()
        if fstat(source, &status) != 0 { throw Errno.last }
        let size = status.st_size
        try retryingInterrupts { ftruncate(target, size) }
        var place: off_t = 0
        while place < size {
            let data = lseek(source, place, HV_SEEK_DATA)
            if data < 0 {
                // Only a hole is left.
                if errno == ENXIO { return }
                throw Errno.last
            }
            let end = lseek(source, data, HV_SEEK_HOLE)
            if end < 0 { throw Errno.last }
            place = data
            while place < end {
                try checkGoesOn()
                let (from, count) = (place, min(Int(end - place), step))
                let copied = try retryingInterrupts { hv_copy_range(source, target, from, count) }
                // The file is the store's own and nobody makes it shorter.
                guard copied > 0 else { throw Errno(EIO) }
                place += off_t(copied)
            }
        }
    }
}
