import BlockStorage
import Glibc
import ImageStore
import LinuxSystem
import Testing

/// A directory that goes away with its test.
final class TemporaryDirectory {
    let path: String
    init() throws {
        var template = Array("/tmp/hvroot-images-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.last }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for folder in ["images", "volumes"] where mkdir("\(path)/\(folder)", 0o700) != 0 { throw Errno.last }
    }
    deinit {
        for folder in ["images", "volumes"] {
            for name in names(folder) { unlink("\(path)/\(folder)/\(name)") }
            rmdir("\(path)/\(folder)")
        }
        for name in names("") { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var images: StoreDirectory { StoreDirectory(path + "/images") }
    var volumes: StoreDirectory { StoreDirectory(path + "/volumes") }

    func names(_ folder: String) -> [String] {
        guard let stream = opendir("\(path)/\(folder)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// The header of a qcow2 image of a mebibyte, version 3, with nothing in it.
func qcow2Header(backing: String? = nil, externalData: Bool = false, encrypted: Bool = false) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 65536)
    func put(_ offset: Int, _ count: Int, _ value: UInt64) {
        for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - index))) }
    }
    bytes.replaceSubrange(0..<4, with: [0x51, 0x46, 0x49, 0xFB])
    put(4, 4, 3)
    put(20, 4, 16)
    put(24, 8, 1 << 20)
    put(32, 4, encrypted ? 2 : 0)
    put(72, 8, externalData ? 4 : 0)
    put(100, 4, 104)
    if let backing {
        put(8, 8, 4096)
        put(16, 4, UInt64(backing.utf8.count))
        bytes.replaceSubrange(4096..<4096 + backing.utf8.count, with: Array(backing.utf8))
    }
    return bytes
}

@Suite struct ImageWriterTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    private func finish(
        _ writer: ImageWriter, _ declared: DiskSource.Format? = nil, _ digest: String? = nil
    ) throws -> ImageWriter.Result {
        try writer.finish(declared: declared, expected: digest) { "a.\($0.rawValue)" }
    }

    private func refusal(_ bytes: [UInt8], _ declared: DiskSource.Format? = nil, _ digest: String? = nil) throws
        -> String
    {
        var failure: StorageFailure?
        do {
            let writer = try ImageWriter(directory.images)
            try writer.write(bytes)
            failure = #expect(throws: StorageFailure.self) { _ = try finish(writer, declared, digest) }
        }
        #expect(failure?.kind == .invalid)
        #expect(directory.names("images").isEmpty, "a refused image left a file")
        return failure?.description ?? ""
    }

    @Test func aDigestOfPiecesIsThatOfTheWhole() throws {
        let writer = try ImageWriter(directory.images)
        // Pieces that end within blocks.
        for piece in [[UInt8](repeating: 7, count: 100_000), [UInt8](repeating: 0, count: 300_000), [1, 2, 3]] {
            try writer.write(piece)
        }
        let result = try finish(writer)
        #expect(result.byteCount == 400_003)
        // printf '\7' repeated 100000 times, 300000 NULs, 1 2 3: sha256sum
        #expect(result.digest == "627e4adf4ddac0be86a21c5ead2bfa0dd69aeab96effd509d488dd6363f34cfc")
        #expect(result.description == ImageDescription(format: .raw, virtualSize: 400_003))
        #expect(directory.names("images") == ["a.raw"])
        let bytes = try WholeFile.read(directory.images.path(of: "a.raw"), limit: 1 << 20)
        let expected = [UInt8](repeating: 7, count: 100_000) + [UInt8](repeating: 0, count: 300_000) + [1, 2, 3]
        #expect(bytes == expected)
        var status = stat()
        #expect(stat(directory.images.path(of: "a.raw"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func zerosAreHoles() throws {
        let writer = try ImageWriter(directory.images)
        for _ in 0..<16 { try writer.write([UInt8](repeating: 0, count: 1 << 20)) }
        _ = try finish(writer)
        #expect(try FileDescriptor(opening: directory.images.path(of: "a.raw"), O_RDONLY).size() == 16 << 20)
        #expect(try #require(directory.images.bytesOnDisk("a.raw")) < 1 << 20)
    }

    @Test func formatsAreDetectedAndLiesRefused() throws {
        let writer = try ImageWriter(directory.images)
        try writer.write(qcow2Header())
        #expect(try finish(writer).description == ImageDescription(format: .qcow2, virtualSize: 1 << 20))
        unlink(directory.images.path(of: "a.qcow2"))
        let raw = [UInt8](repeating: 0x55, count: 4096)
        #expect(try refusal(qcow2Header(), .raw).contains("said to be raw and is a qcow2 image"))
        #expect(try refusal(raw, .qcow2).contains("said to be qcow2"))
        #expect(try refusal(qcow2Header(backing: "/etc/shadow")).contains("builds on '/etc/shadow'"))
        #expect(try refusal(qcow2Header(externalData: true)).contains("data in another file"))
        #expect(try refusal(qcow2Header(encrypted: true)).contains("encrypted"))
        #expect(try refusal(Array(qcow2Header()[..<50])).contains("cut off"))
        #expect(try refusal([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00] + raw).contains("compressed by xz"))
        #expect(try refusal(Array("KDMV".utf8) + raw).contains("VMDK"))
        #expect(try refusal([1, 2, 3]).contains("too few for a disk"))
        #expect(try refusal(raw, nil, String(repeating: "0", count: 64)).contains("The SHA-256 of the 4096 bytes is"))
    }

    @Test func whatIsNotFinishedGoesAway() throws {
        do {
            let writer = try ImageWriter(directory.images)
            try writer.write([1, 2, 3])
            #expect(directory.names("images").count == 1)
        }
        #expect(directory.names("images").isEmpty)
    }

    @Test func onlyFilesAndBlockDevicesAreCopied() throws {
        let writer = try ImageWriter(directory.images)
        let fifo = directory.path + "/fifo"
        #expect(mkfifo(fifo, 0o600) == 0)
        for path in [fifo, directory.path, "/dev/null", directory.path + "/none"] {
            let failure = #expect(throws: StorageFailure.self) { try writer.copy(from: path) { false } }
            #expect(failure?.kind == .unreadable, "\(path)")
        }
        let cancelled = #expect(throws: StorageFailure.self) { try writer.copy(from: "/proc/self/exe") { true } }
        #expect(cancelled?.kind == .cancelled)
    }

    @Test func leftoversGoAndKnownFilesStay() throws {
        for name in ["a.raw", "b.raw", ".new-1"] {
            _ = try FileDescriptor(opening: directory.images.path(of: name), O_CREAT | O_WRONLY)
        }
        #expect(Set(try directory.images.removeAllBut(["a.raw"])) == ["b.raw", ".new-1"])
        #expect(directory.names("images") == ["a.raw"])
    }
}
