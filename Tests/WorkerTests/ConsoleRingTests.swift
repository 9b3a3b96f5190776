import Glibc
import LinuxSystem
import Testing
import WorkerProtocol

@Suite("The console ring")
struct ConsoleRingTests {
    let directory: TemporaryDirectory
    var path: String { "\(directory.path)/console.ring" }

    init() throws { directory = try TemporaryDirectory() }

    @Test func givesBackWhatWasPrinted() throws {
        let writer = try ConsoleRing.Writer(path, capacity: 4096)
        let reader = try ConsoleRing.Reader(path)
        #expect(try reader.read(offset: 0, limit: 100) == ConsoleRing.Chunk(bytes: [], offset: 0, nextOffset: 0))
        writer.write(Array("hello".utf8))
        #expect(try reader.read(offset: 0, limit: 2).bytes == Array("he".utf8))
        let rest = try reader.read(offset: 2, limit: 100)
        #expect(rest == ConsoleRing.Chunk(bytes: Array("llo".utf8), offset: 2, nextOffset: 5))
        #expect(try reader.read(offset: 99, limit: 100) == ConsoleRing.Chunk(bytes: [], offset: 5, nextOffset: 5))
        #expect(try reader.read(offset: 0, limit: -1).bytes == [])
    }

    @Test func keepsTheLastBytesWhenItIsFull() throws {
        let writer = try ConsoleRing.Writer(path, capacity: 4096)
        let reader = try ConsoleRing.Reader(path)
        var printed: [UInt8] = []
        var random = Seeded(state: 1)
        for _ in 0..<200 {
            let piece = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            writer.write(piece)
            printed += piece
            let offset = UInt64.random(in: 0...UInt64(printed.count), using: &random)
            let chunk = try reader.read(offset: offset, limit: .max)
            #expect(chunk.nextOffset == UInt64(printed.count))
            #expect(chunk.offset == max(offset, UInt64(max(printed.count - 4096, 0))))
            #expect(chunk.bytes == Array(printed[Int(chunk.offset)...]))
        }
    }

    @Test func takesMoreAtOnceThanItHolds() throws {
        let writer = try ConsoleRing.Writer(path, capacity: 4096)
        writer.write([1, 2, 3])
        let many = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        writer.write(many)
        let chunk = try ConsoleRing.Reader(path).read(offset: 0, limit: .max)
        #expect(chunk == ConsoleRing.Chunk(bytes: many.suffix(4096), offset: 10_003 - 4096, nextOffset: 10_003))
    }

    @Test func goesOnWithTheNextRun() throws {
        try ConsoleRing.Writer(path, capacity: 4096).write(Array("first ".utf8))
        let second = try ConsoleRing.Writer(path, capacity: 8192)
        #expect(second.replaced == nil)
        #expect(second.total == 6)
        second.write(Array("second".utf8))
        #expect(try ConsoleRing.Reader(path).read(offset: 0, limit: 100).bytes == Array("first second".utf8))
        let size = try FileDescriptor(opening: path, O_RDONLY).size()
        #expect(size == 8192, "the capacity is the first one's")
    }

    @Test("A writer killed between its two marks costs only the bytes it was overwriting")
    func survivesATornWrite() throws {
        do {
            let writer = try ConsoleRing.Writer(path, capacity: 4096)
            writer.write([UInt8](repeating: 7, count: 5000))
        }
        // As a writer of 100 bytes leaves it that dies before it publishes them.
        try patch(path, at: 72, littleEndianBytes(5100))
        let reader = try ConsoleRing.Reader(path)
        let chunk = try reader.read(offset: 0, limit: .max)
        #expect(chunk.offset == 5100 - 4096)
        #expect(chunk.nextOffset == 5000)
        let next = try ConsoleRing.Writer(path)
        #expect(next.replaced == nil)
        next.write([9])
        #expect(try reader.read(offset: 5000, limit: 10).bytes == [9])
    }

    @Test(arguments: [
        (0, [0] as [UInt8]), (8, [2]), (16, [1, 0, 0, 0, 0, 0, 0, 0]), (16, [UInt8](repeating: 0xFF, count: 8)),
        (16, [0, 0, 0, 0, 1, 0, 0, 0]), (64, [UInt8](repeating: 0xFF, count: 8)),
        (72, [UInt8](repeating: 0xFF, count: 8)),
    ])
    func refusesADamagedHeader(at offset: Int, bytes: [UInt8]) throws {
        do { try ConsoleRing.Writer(path, capacity: 4096).write([1, 2, 3]) }
        let open = try ConsoleRing.Reader(path)
        try patch(path, at: Int64(offset), bytes)
        #expect(throws: ConsoleRing.Failure.self) { try open.read(offset: 0, limit: 10) }
        #expect(throws: ConsoleRing.Failure.self) { try ConsoleRing.Reader(path) }
        // A new run starts anew, and says so.
        let writer = try ConsoleRing.Writer(path, capacity: 4096)
        #expect(writer.replaced != nil)
        #expect(writer.total == 0)
    }

    @Test func refusesAFileThatWasCutShort() throws {
        do { try ConsoleRing.Writer(path, capacity: 4096).write([UInt8](repeating: 1, count: 4096)) }
        let reader = try ConsoleRing.Reader(path)
        for length in [8191, 4096, 79, 0] {
            #expect(truncate(path, length) == 0)
            #expect(throws: ConsoleRing.Failure.self) { try reader.read(offset: 0, limit: 10_000) }
        }
    }

    @Test func randomHeadersAreErrorsOrBytes() throws {
        do { try ConsoleRing.Writer(path, capacity: 4096).write([UInt8](repeating: 1, count: 5000)) }
        let reader = try ConsoleRing.Reader(path)
        var random = Seeded(state: 7)
        for _ in 0..<2000 {
            let offset = [16, 64, 72].randomElement(using: &random) ?? 64
            let width = Int.random(in: 1...8, using: &random)
            try patch(path, at: Int64(offset), (0..<width).map { _ in UInt8.random(in: 0...255, using: &random) })
            if let chunk = try? reader.read(offset: random.next() % 20_000, limit: 5000) {
                #expect(chunk.bytes.count <= 5000)
                #expect(chunk.offset + UInt64(chunk.bytes.count) == chunk.nextOffset)
            }
        }
    }

    @Test("A reader beside a fast writer sees no byte that was not printed there")
    func readsWhileTheRingWraps() throws {
        let writer = try ConsoleRing.Writer(path, capacity: 4096)
        let thread = try SystemThread(name: "writer") {
            var total = 0
            for round in 0..<20_000 {
                let count = 1 + round % 97
                // The byte at offset `o` is always `o % 251`.
                writer.write((0..<count).map { UInt8((total + $0) % 251) })
                total += count
            }
        }
        let reader = try ConsoleRing.Reader(path)
        var offset: UInt64 = 0
        var wrong = 0
        for _ in 0..<3000 {
            let chunk = try reader.read(offset: offset, limit: 3000)
            for (index, byte) in chunk.bytes.enumerated() where UInt64(byte) != (chunk.offset + UInt64(index)) % 251 {
                wrong += 1
            }
            offset = chunk.nextOffset
        }
        thread.join()
        #expect(wrong == 0)
    }
}

func littleEndianBytes(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}
