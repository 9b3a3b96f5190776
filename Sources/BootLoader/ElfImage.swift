import GuestMemory
import LinuxSystem

/// An ELF vmlinux for x86-64: the segments to load, and where to enter.
struct ElfImage: Equatable {
    struct Segment: Equatable {
        let offset: UInt64
        let fileSize: UInt64
        let address: UInt64
        let memorySize: UInt64
        let virtualAddress: UInt64
        var end: UInt64 { address + memorySize }
    }

    let segments: [Segment]
    /// Physical, for the 64-bit boot protocol.
    let entry: UInt64
    /// Physical, for PVH, where the file has the note for it.
    let pvhEntry: UInt64?

    /// The first address behind the kernel.
    var end: UInt64 { segments.map(\.end).max() ?? 0 }

    private static let maximumHeaders = 128
    private static let maximumNotes = 1 << 20

    init(_ file: borrowing ImageFile) throws(BootError) {
        let field = file.field
        let path = file.path
        func fail(_ reason: String) -> BootError { BootError(field, "\(path) \(reason)") }
        let head = try file.bytes("an ELF header", at: 0, 64)
        guard head.bytes[4] == 2 else { throw fail("is a 32-bit ELF file; a 64-bit one is needed") }
        guard head.bytes[5] == 1 else { throw fail("is a big-endian ELF file; x86-64 is little-endian") }
        let machine = head.number(UInt16.self, 18)
        guard machine == 62 else { throw fail("is an ELF file for machine \(machine); x86-64 is 62") }
        let type = head.number(UInt16.self, 16)
        guard type == 2 else { throw fail("is an ELF file of type \(type); an executable has 2") }
        let headerSize = head.number(UInt16.self, 54)
        let count = Int(head.number(UInt16.self, 56))
        guard headerSize == 56 else { throw fail("has program headers of \(headerSize) bytes; 56 are right") }
        guard (1...Self.maximumHeaders).contains(count) else {
            throw fail("has \(count) program headers; 1 to \(Self.maximumHeaders) are accepted")
        }
        let table = try file.bytes("the program headers", at: head.number(UInt64.self, 32), count * 56)
        var segments: [Segment] = []
        var pvhEntry: UInt64?
        for index in 0..<count {
            let at = index * 56
            let segment = Segment(
                offset: table.number(UInt64.self, at + 8), fileSize: table.number(UInt64.self, at + 32),
                address: table.number(UInt64.self, at + 24), memorySize: table.number(UInt64.self, at + 40),
                virtualAddress: table.number(UInt64.self, at + 16))
            switch table.number(UInt32.self, at) {
            case 1 where segment.memorySize > 0:
                try Self.check(segment, index, file)
                segments.append(segment)
            case 4:
                guard segment.fileSize <= Self.maximumNotes else {
                    throw fail("has \(segment.fileSize) bytes of notes; \(Self.maximumNotes) are accepted")
                }
                let notes = try file.bytes("the notes", at: segment.offset, Int(segment.fileSize))
                pvhEntry = pvhEntry ?? Self.pvhEntry(in: notes)
            default: break
            }
        }
        guard !segments.isEmpty else { throw fail("has nothing to load: no PT_LOAD program header") }
        segments.sort { $0.address < $1.address }
        for (lower, upper) in zip(segments, segments.dropFirst()) where lower.end > upper.address {
            throw fail(
                "has segments that overlap at 0x\(String(upper.address, radix: 16)): the program headers are corrupt")
        }
        self.segments = segments
        self.pvhEntry = pvhEntry
        let given = head.number(UInt64.self, 24)
        guard let entry = Self.physical(given, segments) else {
            throw fail("enters at 0x\(String(given, radix: 16)), which is in none of its segments")
        }
        self.entry = entry
        if let pvhEntry, Self.physical(pvhEntry, segments) != pvhEntry || pvhEntry >= GuestMemory.gapStart {
            throw fail("has a PVH entry at 0x\(String(pvhEntry, radix: 16)), which is in none of its segments")
        }
    }

    private static func check(_ segment: Segment, _ index: Int, _ file: borrowing ImageFile) throws(BootError) {
        let what = "segment \(index)"
        guard segment.fileSize <= segment.memorySize else {
            throw BootError(
                file.field,
                "\(file.path): \(what) has \(segment.fileSize) bytes in the file but \(segment.memorySize) in memory")
        }
        guard segment.offset <= file.size, segment.fileSize <= file.size - segment.offset else {
            throw BootError(
                file.field,
                "\(file.path) is truncated: \(what) needs \(segment.fileSize) bytes at \(segment.offset), "
                    + "the file has \(file.size)")
        }
        guard segment.address >= 0x10_0000, segment.address < GuestMemory.gapStart,
            segment.memorySize <= GuestMemory.gapStart - segment.address
        else {
            throw BootError(
                file.field,
                "\(file.path): \(what) wants \(segment.memorySize) bytes at 0x\(String(segment.address, radix: 16)); "
                    + "RAM for kernels is from 1 MiB to 3 GiB")
        }
    }

    /// An address as it is in memory: given physically, or virtually by the segments' own mapping.
    private static func physical(_ address: UInt64, _ segments: [Segment]) -> UInt64? {
        for segment in segments where address >= segment.address && address < segment.end { return address }
        for segment in segments where address >= segment.virtualAddress {
            let offset = address - segment.virtualAddress
            if offset < segment.memorySize { return segment.address + offset }
        }
        return nil
    }

    /// The value of the note XEN_ELFNOTE_PHYS32_ENTRY (name "Xen", type 18).
    private static func pvhEntry(in notes: ByteView) -> UInt64? {
        var at = 0
        while at + 12 <= notes.bytes.count {
            let nameSize = Int(notes.number(UInt32.self, at))
            let valueSize = Int(notes.number(UInt32.self, at + 4))
            let type = notes.number(UInt32.self, at + 8)
            let name = at + 12
            let value = name + (nameSize + 3) & ~3
            let next = value + (valueSize + 3) & ~3
            guard nameSize < maximumNotes, valueSize < maximumNotes, next <= notes.bytes.count else { return nil }
            if type == 18, notes.bytes[name..<(name + nameSize)].starts(with: Array("Xen".utf8)) {
                switch valueSize {
                case 4: return UInt64(notes.number(UInt32.self, value))
                case 8: return notes.number(UInt64.self, value)
                default: return nil
                }
            }
            at = next
        }
        return nil
    }

    func load(_ file: borrowing ImageFile, into memory: GuestMemory) throws(GuestMemoryError) {
        for segment in segments {
            try memory.readFile(
                file.descriptor, offset: segment.offset, count: Int(segment.fileSize), to: segment.address)
        }
    }
}
