import Glibc
import GuestMemory
import LinuxSystem
import Testing

@Suite struct GuestMemoryTests {
    static let top: UInt64 = 4 << 20

    @Test func smallMemoryIsOneRegion() throws {
        let memory = try GuestMemory(size: Self.top)
        #expect(memory.regions.map(\.gpa) == [0])
        #expect(memory.regions.map(\.count) == [4 << 20])
        #expect(UInt(bitPattern: memory.regions[0].hostBase) % (2 << 20) == 0)
    }

    @Test func memoryBeyondThreeGibibytesGoesOnAtFour() throws {
        let memory = try GuestMemory(size: (3 << 30) + (2 << 20))
        #expect(memory.regions.map(\.gpa) == [0, 4 << 30])
        #expect(memory.regions.map(\.count) == [3 << 30, 2 << 20])
        try memory.store((3 << 30) - 8, UInt64(1))
        try memory.store(4 << 30, UInt64(2))
        try memory.store((4 << 30) + (2 << 20) - 8, UInt64(3))
        #expect(try memory.load(4 << 30, as: UInt64.self) == 2)
        #expect(memory.slice((3 << 30) - 4, 8) == nil)
        #expect(memory.slice(3 << 30, 1) == nil)
        #expect(memory.slice((4 << 30) - 1, 1) == nil)
        #expect(memory.slice((4 << 30) - 1, 2) == nil)
        #expect(memory.slice((4 << 30) + (2 << 20), 1) == nil)
    }

    @Test(arguments: [0, 1, 4096, (2 << 20) + 4096, .max, 1 << 63, (16 << 40) + (2 << 20)] as [UInt64])
    func refusesOtherSizes(_ size: UInt64) {
        #expect(throws: MemoryBacking.Failure.self) { try GuestMemory(size: size) }
    }

    @Test(
        arguments: [
            (0, (4 << 20) + 1), (4 << 20, 1), ((4 << 20) - 1, 2), (0, -1), (0, Int.min), (0, Int.max), (8, Int.max),
            (UInt64.max, 1), (UInt64.max, Int.max), (UInt64.max - 7, 8), (1 << 63, 1), (4 << 20, -1),
        ] as [(UInt64, Int)])
    func refusesWhatIsOutside(_ gpa: UInt64, _ count: Int) throws {
        let memory = try GuestMemory(size: Self.top)
        let expected = GuestMemoryError(gpa: gpa, count: count, reason: .outsideMemory)
        #expect(memory.slice(gpa, count) == nil)
        #expect(throws: expected) { try memory.read(gpa, count: count) }
        #expect(throws: expected) { try memory.zero(gpa, count: count) }
    }

    @Test func readsAndWritesAtTheEdges() throws {
        let memory = try GuestMemory(size: Self.top)
        try memory.write(Self.top - 3, [1, 2, 3])
        #expect(try memory.read(Self.top - 4, count: 4) == [0, 1, 2, 3])
        #expect(try memory.read(Self.top, count: 0) == [])
        #expect(throws: GuestMemoryError.self) { try memory.write(Self.top - 2, [1, 2, 3]) }
        #expect(throws: GuestMemoryError.self) { try memory.store(Self.top - 7, UInt64(1)) }
        #expect(throws: GuestMemoryError.self) { try memory.load(Self.top - 3, as: UInt32.self) }
        try memory.store(5, UInt32(0x0403_0201))
        #expect(try memory.read(5, count: 4) == [1, 2, 3, 4])
        #expect(try memory.load(6, as: UInt16.self) == 0x0302)
        var copy = [UInt8](repeating: 0, count: 2)
        try copy.withUnsafeMutableBytes { try memory.read(7, into: $0) }
        #expect(copy == [3, 4])
    }

    @Test func zeroesPagesAndTheirEdges() throws {
        let memory = try GuestMemory(size: Self.top)
        try memory.write(0, [UInt8](repeating: 0xFF, count: 5 * 4096))
        try memory.zero(100, count: 3 * 4096)
        let bytes = try memory.read(0, count: 5 * 4096)
        #expect(bytes[..<100].allSatisfy { $0 == 0xFF })
        #expect(bytes[100..<(100 + 3 * 4096)].allSatisfy { $0 == 0 })
        #expect(bytes[(100 + 3 * 4096)...].allSatisfy { $0 == 0xFF })
        try memory.zero(0, count: 10)
        try memory.zero(4095, count: 2)
        #expect(try memory.read(8, count: 4) == [0, 0, 0xFF, 0xFF])
        try memory.write(Self.top - 1, [9])
        try memory.zeroAll()
        #expect(try memory.read(0, count: 5 * 4096).allSatisfy { $0 == 0 })
        #expect(try memory.load(Self.top - 1, as: UInt8.self) == 0)
    }

    @Test func readsFiles() throws {
        let memory = try GuestMemory(size: Self.top)
        let workspace = try Workspace()
        let file = try FileDescriptor(opening: workspace.file("f", [1, 2, 3, 4, 5]), O_RDONLY)
        try memory.readFile(file, offset: 1, gpa: Self.top - 3, count: 3)
        #expect(try memory.read(Self.top - 3, count: 3) == [2, 3, 4])
        for (offset, reason) in [
            (3, GuestMemoryError.Reason.endOfFile), (UInt64.max, .endOfFile), (1 << 62, .endOfFile),
        ] {
            #expect(throws: GuestMemoryError(gpa: 0, count: 3, reason: reason)) {
                try memory.readFile(file, offset: offset, gpa: 0, count: 3)
            }
        }
        #expect(throws: GuestMemoryError(gpa: Self.top, count: 1, reason: .outsideMemory)) {
            try memory.readFile(file, offset: 0, gpa: Self.top, count: 1)
        }
        let directory = try FileDescriptor(opening: workspace.path, O_RDONLY)
        #expect(throws: GuestMemoryError(gpa: 0, count: 1, reason: .file(Errno(EISDIR)))) {
            try memory.readFile(directory, offset: 0, gpa: 0, count: 1)
        }
    }

    @Test func reservedMemoryRefusesEveryAccess() throws {
        let memory = try GuestMemory(size: 1 << 40, mapped: false)
        #expect(memory.slice(0, 1) == nil)
        #expect(throws: GuestMemoryError(gpa: 0, count: 8, reason: .notMapped)) { try memory.store(0, UInt64(1)) }
        #expect(throws: GuestMemoryError.self) { try memory.zeroAll() }
    }
}
