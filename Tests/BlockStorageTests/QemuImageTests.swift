import Glibc
import LinuxSystem
import Testing

@testable import BlockStorage

@Suite("Images that qemu-nbd serves", .enabled(if: QemuServer.program != nil, "needs qemu-utils"))
struct QemuImageTests {
    /// A directory with an image of 64 MiB.
    final class Bench {
        let directory: String
        var path: String { "\(directory)/a.qcow2" }
        var source: DiskSource { DiskSource(id: "a", path: path, format: .qcow2) }

        init() throws {
            directory = "/var/tmp/hvroot-qemu-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
            guard mkdir(directory, 0o700) == 0 else { throw Errno.last }
            try tool(["create", "-q", "-f", "qcow2", path, "64M"])
        }

        deinit {
            for name in ["a.qcow2", "b.qcow2", "disk-a.sock", "disk-b.sock"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }

        func tool(_ arguments: [String]) throws {
            let process = try PidFD(
                try ProcessSpawn.start(
                    "/usr/bin/qemu-img", arguments: arguments, environment: [], descriptors: [0, 1, 2]))
            #expect(process.waitForEnd(milliseconds: 60_000) && process.end() == .exited(status: 0))
        }

        func open(isReadOnly: Bool = false, id: String = "a") throws -> QemuImage {
            var disk = source
            disk.id = id
            disk.isReadOnly = isReadOnly
            return try QemuImage(disk, directory: directory, connections: 4)
        }
    }

    /// Buffers for one operation each.
    private func transfer(
        _ engine: any BlockEngine, _ kind: BlockOperation.Kind, offset: UInt64, bytes: [[UInt8]]
    ) throws -> (completions: [BlockCompletion], bytes: [[UInt8]]) {
        let buffers = bytes.map { part -> UnsafeMutableBufferPointer<UInt8> in
            let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: part.count)
            _ = buffer.initialize(from: part)
            return buffer
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        // Two vectors each, of different lengths.
        let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 2 * buffers.count)
        defer { vectors.deallocate() }
        var operations: [BlockOperation] = []
        var place = offset
        for (token, buffer) in buffers.enumerated() {
            let first = buffer.count / 3
            vectors[2 * token] = iovec(iov_base: buffer.baseAddress, iov_len: first)
            vectors[2 * token + 1] = iovec(
                iov_base: buffer.baseAddress.map { $0 + first }, iov_len: buffer.count - first)
            operations.append(
                BlockOperation(
                    token: token, kind: kind, offset: place, count: UInt64(buffer.count),
                    vectors: UnsafeMutableBufferPointer(rebasing: vectors[2 * token..<2 * token + 2])))
            place += UInt64(buffer.count)
        }
        return (try perform(engine, operations), buffers.map { Array($0) })
    }

    @Test("what is written is read again, through another connection and another server")
    func writesAndReads() throws {
        let bench = try Bench()
        // Sixteen at a time and more than sockets hold, so that both directions fill up.
        let parts: [[UInt8]] = (0..<16).map { part in
            (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 / 512 &+ part) }
        }
        do {
            let image = try bench.open()
            #expect(image.byteCount == 64 << 20 && !image.isReadOnly)
            let (writer, reader) = (try image.makeEngine(depth: 16), try image.makeEngine(depth: 16))
            let written = try transfer(writer, .write(isDurable: false), offset: 512, bytes: parts)
            #expect(written.completions.allSatisfy { $0.error == nil })
            #expect(try perform(writer, [BlockOperation(token: 3, kind: .flush)]).first?.error == nil)
            let read = try transfer(reader, .read, offset: 512, bytes: parts.map { $0.map { _ in 0xEE } })
            #expect(read.completions.allSatisfy { $0.error == nil } && read.bytes == parts)
            let zeroed = try perform(
                writer,
                [
                    BlockOperation(
                        token: 0, kind: .writeZeroes(mayUnmap: true, isDurable: true), offset: 512, count: 1 << 20),
                    BlockOperation(token: 1, kind: .discard, offset: 40 << 20, count: 1 << 20),
                ])
            #expect(zeroed.allSatisfy { $0.error == nil })
            // Beyond the end is the server's to refuse, too.
            #expect(
                try perform(writer, [BlockOperation(token: 0, kind: .discard, offset: 1 << 40, count: 512)]).count == 1)
            let beyond = try transfer(reader, .read, offset: 64 << 20, bytes: [[UInt8](repeating: 1, count: 512)])
            #expect(beyond.completions.first?.error != nil)
        }
        let image = try bench.open()
        let read = try transfer(try image.makeEngine(depth: 16), .read, offset: 512, bytes: parts)
        #expect(read.bytes[0].allSatisfy { $0 == 0 } && read.bytes[1...] == parts[1...])
    }

    @Test("one writer or many readers, of our images of both kinds")
    func locks() throws {
        let bench = try Bench()
        do {
            let writer = try bench.open()
            let error = #expect(throws: BlockStorageError.self) { try bench.open(id: "b") }
            #expect(error?.description.contains("in use") == true, "\(error.map { "\($0)" } ?? "")")
            #expect(throws: BlockStorageError.self) { try RawImage(bench.path, isReadOnly: false) }
            withExtendedLifetime(writer) {}
        }
        do {
            let raw = try RawImage(bench.path, isReadOnly: false)
            #expect(throws: BlockStorageError.self) { try bench.open() }
            withExtendedLifetime(raw) {}
        }
        let readers = [try bench.open(isReadOnly: true), try bench.open(isReadOnly: true, id: "b")]
        #expect(readers.allSatisfy { $0.isReadOnly })
        let refused = try transfer(
            try readers[0].makeEngine(depth: 1), .write(isDurable: false), offset: 0, bytes: [[1, 2, 3]])
        #expect(refused.completions.first?.error != nil)
    }

    @Test("a server that ends fails what is under way and all that follows")
    func lostServer() throws {
        let bench = try Bench()
        let image = try bench.open()
        let engine = try image.makeEngine(depth: 4)
        #expect(kill(image.server.processID, SIGKILL) == 0)
        for _ in 0..<2 {
            let ended = try transfer(engine, .read, offset: 0, bytes: [[UInt8](repeating: 0, count: 4096)])
            #expect(ended.completions == [BlockCompletion(token: 0, error: Errno(EIO))])
        }
        #expect(throws: BlockStorageError.self) { try image.makeEngine(depth: 4) }
    }

    @Test("what is no such image, or names other files, is refused")
    func refusals() throws {
        let bench = try Bench()
        var header = try FileDescriptor(opening: bench.path, O_RDONLY).read(count: 4096)
        #expect(try Qcow2Header(header, path: "p").size == 64 << 20)
        #expect(try Qcow2Header(header, path: "p").backing == nil)
        for count in [0, 3, 20, 71, 100] {
            #expect(throws: BlockStorageError.self) { try Qcow2Header(Array(header.prefix(count)), path: "p") }
        }
        func refuses(_ change: (inout [UInt8]) -> Void) {
            var broken = header
            change(&broken)
            #expect(throws: BlockStorageError.self) { try Qcow2Header(broken, path: "p") }
        }
        refuses { $0[0] = 0 }
        refuses { $0[7] = 9 }
        // Its data in another file.
        refuses { $0[79] |= 4 }
        // A backing file's name that is nowhere.
        refuses { $0[8] = 0xFF }
        refuses { $0[15] = 1 }
        refuses { $0[103] = 0 }
        // Whatever the bytes are: an answer or an error.
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var broken = header
            for _ in 0..<4 {
                broken[Int.random(in: 4..<200, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? Qcow2Header(broken, path: "p")
        }
        header = []

        // One that builds on another file.
        let overlay = "\(bench.directory)/b.qcow2"
        try bench.tool(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", bench.path, overlay])
        var disk = DiskSource(id: "b", path: overlay, format: .qcow2)
        #expect(throws: BlockStorageError.self) { try ImageInspection.check(disk) }
        disk.backing = "/etc/passwd"
        #expect(throws: BlockStorageError.self) { try ImageInspection.check(disk) }
        disk.backing = bench.path
        try ImageInspection.check(disk)
        let image = try QemuImage(disk, directory: bench.directory, connections: 1)
        #expect(image.byteCount == 64 << 20)
    }
}
