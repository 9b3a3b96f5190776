/// The note that says where a kernel is entered by PVH (XEN_ELFNOTE_PHYS32_ENTRY, xen/include/public/elfnote.h).
enum ElfNotes {
    private static let noteSegment: UInt32 = 4
    private static let physicalEntry: UInt32 = 18
    /// Linux's notes take some 500 bytes.
    private static let limit: UInt64 = 64 << 10

    /// The entry's physical address; nil where no PT_NOTE segment has the note.
    static func pvhEntry(
        _ file: ImageFile, _ headers: [ElfImage.ProgramHeader], _ fault: (String) -> BootError
    ) throws(BootError) -> UInt32? {
        for header in headers where header.type == noteSegment {
            guard header.offset <= file.size, header.fileCount <= file.size - header.offset else {
                throw fault(
                    "truncated ELF file: notes of \(header.fileCount) bytes at \(hex(header.offset)), "
                        + "the file has \(file.size)")
            }
            guard header.fileCount <= limit else {
                throw fault("oversized: \(header.fileCount) bytes of notes, at most \(limit) are read")
            }
            let bytes = try file.read(header.offset, Int(header.fileCount))
            if let entry = try pvhEntry(bytes, alignment: header.alignment == 8 ? 8 : 4, fault) { return entry }
        }
        return nil
    }

    private static func pvhEntry(
        _ bytes: [UInt8], alignment: Int, _ fault: (String) -> BootError
    ) throws(BootError) -> UInt32? {
        var at = 0
        while bytes.count - at >= 12 {
            let nameCount = Int(bytes.little(at, UInt32.self))
            let valueCount = Int(bytes.little(at + 4, UInt32.self))
            let type = bytes.little(at + 8, UInt32.self)
            // 32-bit counts in 64-bit integers: none of these sums can overflow.
            let name = at + 12
            let value = (name + nameCount + alignment - 1) & ~(alignment - 1)
            guard value <= bytes.count, valueCount <= bytes.count - value else {
                throw fault("corrupt ELF file: the note at \(at) of its \(bytes.count) bytes of notes goes beyond them")
            }
            if type == physicalEntry, nameCount == 4, bytes.has("Xen\0", at: name) {
                switch valueCount {
                case 4: return bytes.little(value, UInt32.self)
                case 8:
                    let entry = bytes.little(value, UInt64.self)
                    if let low = UInt32(exactly: entry) { return low }
                    throw fault("corrupt ELF file: its PVH entry \(hex(entry)) is beyond 4 GiB")
                default: throw fault("corrupt ELF file: its PVH note has \(valueCount) bytes, not 4 or 8")
                }
            }
            at = (value + valueCount + alignment - 1) & ~(alignment - 1)
        }
        return nil
    }
}
