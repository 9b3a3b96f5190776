import Glibc
import LinuxSystem

/// The parts of a qcow2 image's header (QEMU, docs/interop/qcow2.txt) that say whether it names other files of the
/// host. Whoever writes an image could else read every file that the worker may read.
struct Qcow2Header: Equatable {
    /// The name as the image has it.
    var backing: String?
    /// The format of the backing file, as the image has it.
    var backingFormat: String?
    /// Bytes of the disk.
    var size: UInt64
    var isEncrypted = false

    private static let magic: [UInt8] = [0x51, 0x46, 0x49, 0xFB]
    private static let externalData: UInt64 = 1 << 2
    private static let dataFileExtension: UInt32 = 0x4441_5441
    private static let backingFormatExtension: UInt32 = 0xE279_2ACA
    /// The header with its extensions lies in the first cluster; this much of it is looked at.
    private static let inspected = 64 << 10

    /// Whether `bytes` are the first of a file that says of itself that it is one.
    static func begins(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

    /// - Parameter bytes: the image's first ones, as many as there are up to 64 KiB.
    /// - Throws: `BlockStorageError` for anything but a header, and for an image with its data in another file.
    init(_ bytes: [UInt8], path: String) throws(BlockStorageError) {
        func broken(_ reason: String) -> BlockStorageError { BlockStorageError("\(path) is no qcow2 image: \(reason)") }
        func number(_ offset: Int, _ count: Int) throws(BlockStorageError) -> UInt64 {
            guard offset >= 0, offset <= bytes.count - count else { throw broken("its header is cut off") }
            return bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.starts(with: Self.magic) else { throw broken("it does not begin with QFI\\xfb") }
        let version = try number(4, 4)
        guard version == 2 || version == 3 else { throw broken("its version is \(version); 2 and 3 are known") }
        size = try number(24, 8)
        guard size >= 512, size <= UInt64(Int64.max) else { throw broken("it says that its disk has \(size) bytes") }
        isEncrypted = try number(32, 4) != 0
        var headerSize: UInt64 = 72
        if version == 3 {
            let incompatible = try number(72, 8)
            guard incompatible & Self.externalData == 0 else {
                throw BlockStorageError("\(path) has its data in another file, which is refused")
            }
            headerSize = try number(100, 4)
        }
        guard headerSize >= 72, headerSize <= 4096 else { throw broken("its header has \(headerSize) bytes") }
        var place = Int(headerSize)
        // As many extensions as there is room for; the list ends with the type 0.
        while place <= bytes.count - 8 {
            let type = UInt32(truncatingIfNeeded: try number(place, 4))
            let count = Int(try number(place + 4, 4))
            if type == 0 { break }
            guard count <= bytes.count - place - 8 else { throw broken("an extension of its header is cut off") }
            let content = bytes[(place + 8)..<(place + 8 + count)]
            if type == Self.dataFileExtension {
                throw BlockStorageError("\(path) has its data in another file, which is refused")
            }
            if type == Self.backingFormatExtension { backingFormat = String(decoding: content, as: UTF8.self) }
            place += 8 + (count + 7) & ~7
        }
        let (offset, length) = (try number(8, 8), Int(try number(16, 4)))
        guard offset != 0 else { return }
        guard offset <= UInt64(bytes.count), (1...1023).contains(length), Int(offset) <= bytes.count - length else {
            throw broken("the name of its backing file is not in its header")
        }
        backing = String(decoding: bytes[Int(offset)..<Int(offset) + length], as: UTF8.self)
    }

    static func read(_ path: String) throws(BlockStorageError) -> Qcow2Header {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK).read(count: inspected, at: 0)
        } catch {
            throw BlockStorageError("\(path) can't be read: \(error)")
        }
        return try Qcow2Header(bytes, path: path)
    }

    /// Looks whether the image names the files, and only those, that the client named.
    static func check(_ disk: DiskSource) throws(BlockStorageError) {
        let header = try read(disk.path)
        guard let named = header.backing else {
            guard let expected = disk.backing else { return }
            throw BlockStorageError("\(disk.path) has no backing file, and \(expected) was named as one")
        }
        guard let expected = disk.backing else {
            throw BlockStorageError(
                "\(disk.path) says that it builds on '\(named)'. That is refused unless the disk names that file as its "
                    + "'backing'")
        }
        let folder = disk.path.lastIndex(of: "/").map { String(disk.path[...$0]) } ?? ""
        let resolved = named.hasPrefix("/") ? named : folder + named
        guard let identity = ImageInspection.identity(of: resolved),
            identity == ImageInspection.identity(of: expected)
        else {
            throw BlockStorageError("\(disk.path) builds on '\(named)', which is not \(expected)")
        }
        switch header.backingFormat {
        case "raw"?: return
        case "qcow2"?:
            if let further = try read(expected).backing {
                throw BlockStorageError("\(expected) itself builds on '\(further)'; one backing file is allowed")
            }
        // Guessing is what a guest could make use of.
        default:
            throw BlockStorageError(
                "\(disk.path) does not say that its backing file is raw or qcow2 (qemu-img rebase -u -F)")
        }
    }
}
