import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import BlockStorage

/// A file of its own for each test, removed at the end.
final class TestFile {
    let path: String

    init(count: Int, _ content: [UInt8] = []) throws {
        path = "/var/tmp/hvroot-disk-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
        try file.writeAll(content)
        if ftruncate(file.raw, off_t(count)) != 0 { throw Errno.last }
    }

    deinit { unlink(path) }

    func read(_ offset: Int, _ count: Int) throws -> [UInt8] {
        try FileDescriptor(opening: path, O_RDONLY).read(count: count, at: Int64(offset))
    }
}

/// Carries operations out and waits for them, as a device's thread does.
func perform(_ engine: any BlockEngine, _ operations: [BlockOperation]) throws -> [BlockCompletion] {
    for operation in operations { engine.submit(operation) }
    engine.kick()
    var ended: [BlockCompletion] = []
    while ended.count < operations.count {
        let some = engine.reap()
        ended += some
        guard some.isEmpty, let descriptor = engine.descriptor else { continue }
        var entry = pollfd(fd: descriptor, events: engine.events, revents: 0)
        #expect(poll(&entry, 1, 60_000) == 1)
    }
    return ended.sorted { $0.token < $1.token }
}

@Suite("Raw images")
struct RawImageTests {
    /// Whether this kernel lets us have io_uring: containers often forbid it.
    static let hasRing: Bool = {
        guard let file = try? TestFile(count: 4096),
            let image = try? RawImage(file.path, isReadOnly: true, engine: .ring)
        else { return false }
        return (try? image.makeEngine(depth: 1)) != nil
    }()

    static var choices: [RawImage.EngineChoice] { hasRing ? [.ring, .blocking] : [.blocking] }

    @Test("many operations at a time arrive where they belong", arguments: choices)
    func manyOperations(_ choice: RawImage.EngineChoice) throws {
        let file = try TestFile(count: 1 << 20)
        let image = try RawImage(file.path, isReadOnly: false, engine: choice)
        let engine = try image.makeEngine(depth: 8)
        // More pieces than the queue to the kernel has places.
        let buffers = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 64 * 1024)
        defer { buffers.deallocate() }
        for index in buffers.indices { buffers[index] = UInt8(truncatingIfNeeded: index / 1024 + index) }
        let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 16)
        defer { vectors.deallocate() }
        for round in 0..<4 {
            var operations: [BlockOperation] = []
            for token in 0..<8 {
                let first = round * 16 + token * 2
                for half in 0..<2 {
                    vectors[token * 2 + half] = iovec(
                        iov_base: buffers.baseAddress.map { $0 + (first + half) * 1024 }, iov_len: 1024)
                }
                operations.append(
                    BlockOperation(
                        token: token, kind: .write(isDurable: token == 3), offset: UInt64(first * 1024), count: 2048,
                        vectors: UnsafeMutableBufferPointer(rebasing: vectors[token * 2..<token * 2 + 2])))
            }
            #expect(try perform(engine, operations).allSatisfy { $0.error == nil })
        }
        #expect(try perform(engine, [BlockOperation(token: 0, kind: .flush)]).first?.error == nil)
        #expect(try file.read(0, 64 * 1024) == Array(buffers))
    }

    @Test("ranges are discarded and made zero", arguments: choices, [true, false])
    func zeroes(_ choice: RawImage.EngineChoice, _ mayUnmap: Bool) throws {
        let file = try TestFile(count: 1 << 20, [UInt8](repeating: 7, count: 1 << 20))
        let image = try RawImage(file.path, isReadOnly: false, engine: choice)
        let engine = try image.makeEngine(depth: 4)
        let ended = try perform(
            engine,
            [
                BlockOperation(
                    token: 0, kind: .writeZeroes(mayUnmap: mayUnmap, isDurable: mayUnmap), offset: 512,
                    count: 300 * 1024),
                BlockOperation(token: 1, kind: .discard, offset: 512 * 1024, count: 64 * 1024),
            ])
        #expect(ended.allSatisfy { $0.error == nil })
        let bytes = try file.read(0, 1 << 20)
        #expect(bytes.count == 1 << 20)
        #expect(bytes[..<512].allSatisfy { $0 == 7 } && bytes[512..<512 + 300 * 1024].allSatisfy { $0 == 0 })
        #expect(bytes[512 + 300 * 1024] == 7)
    }

    @Test("a file that became shorter is an error, not zeros", arguments: choices)
    func shorterFile(_ choice: RawImage.EngineChoice) throws {
        let file = try TestFile(count: 8192)
        let image = try RawImage(file.path, isReadOnly: false, engine: choice)
        let engine = try image.makeEngine(depth: 1)
        #expect(truncate(file.path, 4096) == 0)
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)
        defer { buffer.deallocate() }
        var vector = iovec(iov_base: buffer, iov_len: 4096)
        try withUnsafeMutablePointer(to: &vector) { pointer in
            let vectors = UnsafeMutableBufferPointer(start: pointer, count: 1)
            let ended = try perform(
                engine, [BlockOperation(token: 0, kind: .read, offset: 4096, count: 4096, vectors: vectors)])
            #expect(ended == [BlockCompletion(token: 0, error: Errno(EIO))])
        }
        #expect(try image.refreshSize() == 4096 && image.byteCount == 4096)
    }

    @Test("one writer or many readers")
    func locks() throws {
        let file = try TestFile(count: 4096)
        do {
            let writer = try RawImage(file.path, isReadOnly: false)
            for isReadOnly in [true, false] {
                let error = #expect(throws: BlockStorageError.self) {
                    try RawImage(file.path, isReadOnly: isReadOnly)
                }
                #expect(error?.description.contains("in use") == true)
            }
            _ = writer.byteCount
        }
        let readers = try (0..<3).map { _ in try RawImage(file.path, isReadOnly: true) }
        #expect(throws: BlockStorageError.self) { try RawImage(file.path, isReadOnly: false) }
        #expect(readers.allSatisfy { $0.byteCount == 4096 })
    }

    @Test("what is no disk is refused")
    func refusals() throws {
        let empty = try TestFile(count: 100)
        for (path, fragment) in [
            (empty.path, "too few"), ("/dev/null", "neither"), ("/tmp", "neither"), ("/nonexistent", "can't be opened"),
        ] {
            let error = #expect(throws: BlockStorageError.self) { try RawImage(path, isReadOnly: true) }
            #expect(error?.description.contains(fragment) == true, "\(path): \(error.map { "\($0)" } ?? "")")
        }
    }
}
