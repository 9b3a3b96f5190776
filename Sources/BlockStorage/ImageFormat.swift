import Glibc
import LinuxSystem

/// What an image's own bytes say of it, for images that come from outside.
package struct ImageDescription: Equatable, Sendable {
    package var format: DiskSource.Format
    /// Bytes of the disk that a guest sees.
    package var virtualSize: UInt64

    package init(format: DiskSource.Format, virtualSize: UInt64) {
        self.format = format
        self.virtualSize = virtualSize
    }
}

extension ImageInspection {
    /// What other kinds of files begin with: none of them is a disk's first sector.
    private static let foreign: [(name: String, offset: Int, magic: [UInt8])] = [
        ("a VMDK image", 0, Array("KDMV".utf8)), ("a VMDK descriptor", 0, Array("# Disk DescriptorFile".utf8)),
        ("a VHDX image", 0, Array("vhdxfile".utf8)), ("a VHD image", 0, Array("conectix".utf8)),
        ("a QED image", 0, Array("QED\0".utf8)), ("a VDI image", 64, [0x7F, 0x10, 0xDA, 0xBE]),
        ("compressed by gzip", 0, [0x1F, 0x8B]), ("compressed by bzip2", 0, Array("BZh".utf8)),
        ("compressed by xz", 0, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]),
        ("compressed by zstd", 0, [0x28, 0xB5, 0x2F, 0xFD]), ("a zip archive", 0, [0x50, 0x4B, 0x03, 0x04]),
    ]
    /// As much as is looked at.
    private static let inspected = 64 << 10

    /// Looks at an image that nobody writes any more.
    ///
    /// - Parameter declared: what its owner says that it is; nil: its bytes decide, once.
    /// - Throws: `BlockStorageError` for a format other than the declared one, for one that is not known, and for an
    ///   image that names other files of the host.
    package static func describe(
        _ path: String, declared: DiskSource.Format?, as name: String
    ) throws(BlockStorageError) -> ImageDescription {
        let (start, size): ([UInt8], UInt64)
        do throws(Errno) {
            let file = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            start = try file.read(count: inspected, at: 0)
            size = try file.size()
        } catch {
            throw BlockStorageError("\(name) can't be read: \(error)")
        }
        for (kind, offset, magic) in foreign where start.dropFirst(offset).starts(with: magic) {
            throw BlockStorageError("\(name) is \(kind); raw and qcow2 are taken (qemu-img convert makes them)")
        }
        if Qcow2Header.begins(start) {
            guard declared != .raw else {
                throw BlockStorageError("\(name) is said to be raw and is a qcow2 image")
            }
            let header = try Qcow2Header(start, path: name)
            if let backing = header.backing {
                throw BlockStorageError(
                    "\(name) says that it builds on '\(backing)': an image that names another file is refused "
                        + "(qemu-img convert makes one that does not)")
            }
            guard !header.isEncrypted else { throw BlockStorageError("\(name) is encrypted, which is refused") }
            return ImageDescription(format: .qcow2, virtualSize: header.size)
        }
        guard declared != .qcow2 else {
            throw BlockStorageError("\(name) is said to be qcow2 and does not begin with QFI\\xfb")
        }
        guard size >= 512 else { throw BlockStorageError("\(name) has \(size) bytes, too few for a disk") }
        return ImageDescription(format: .raw, virtualSize: size)
    }
}
