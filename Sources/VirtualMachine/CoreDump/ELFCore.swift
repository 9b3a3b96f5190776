/// The layout of an ELF core file with notes (System V ABI, gABI chapter "Object Files"; AMD64 supplement). All fields
/// little-endian.
struct ELFCore {
    /// A stretch of the file that is memory.
    struct Segment: Equatable {
        /// Where it is in the file.
        var offset: UInt64
        var virtualAddress: UInt64
        var physicalAddress: UInt64
        var count: UInt64
    }

    struct Note: Equatable {
        var name: String
        var type: UInt32
        var descriptor: [UInt8]

        var bytes: [UInt8] {
            var bytes = Bytes()
            let name = Array(name.utf8) + [0]
            bytes.append(UInt32(name.count))
            bytes.append(UInt32(descriptor.count))
            bytes.append(type)
            bytes.append(name, alignedTo: 4)
            bytes.append(descriptor, alignedTo: 4)
            return bytes.content
        }
    }

    private static let headerSize = 64
    private static let programHeaderSize = 56
    /// `e_phnum` is a 16-bit word whose largest value means something else (PN_XNUM).
    static let maximumSegments = 0xFFFE - 1

    /// Bytes before the first segment's content, for `segments` of them and `notes`; whole pages.
    static func contentOffset(segments: Int, notes: [Note]) -> UInt64 {
        let end = headerSize + programHeaderSize * (segments + 1) + notes.reduce(0) { $0 + $1.bytes.count }
        return UInt64((end + 0xFFF) / 0x1000 * 0x1000)
    }

    /// Everything before the content: at most `maximumSegments` segments.
    static func header(segments: [Segment], notes: [Note]) -> [UInt8] {
        var bytes = Bytes()
        // 64 bits, little-endian, version 1, System V.
        bytes.append([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9))
        bytes.append(UInt16(4))  // ET_CORE
        bytes.append(UInt16(62))  // EM_X86_64
        bytes.append(UInt32(1))
        bytes.append(UInt64(0))
        bytes.append(UInt64(headerSize))
        bytes.append(UInt64(0))
        bytes.append(UInt32(0))
        for field in [headerSize, programHeaderSize, segments.count + 1, 0, 0, 0] { bytes.append(UInt16(field)) }
        let noteBytes = notes.flatMap(\.bytes)
        let noteOffset = UInt64(headerSize + programHeaderSize * (segments.count + 1))
        bytes.appendProgramHeader(
            type: 4, flags: 0,
            Segment(
                offset: noteOffset, virtualAddress: 0, physicalAddress: 0,
                count: UInt64(noteBytes.count)), alignment: 4)
        for segment in segments { bytes.appendProgramHeader(type: 1, flags: 7, segment, alignment: 0x1000) }
        bytes.append(noteBytes)
        return bytes.content
    }

    /// Fields one after the other.
    struct Bytes {
        private(set) var content: [UInt8] = []

        mutating func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { content.append(contentsOf: $0) }
        }

        mutating func append(_ bytes: [UInt8], alignedTo alignment: Int = 1) {
            content += bytes
            while content.count % alignment != 0 { content.append(0) }
        }

        fileprivate mutating func appendProgramHeader(
            type: UInt32, flags: UInt32, _ segment: Segment, alignment: UInt64
        ) {
            append(type)
            append(flags)
            append(segment.offset)
            append(segment.virtualAddress)
            append(segment.physicalAddress)
            append(segment.count)
            append(segment.count)
            append(alignment)
        }
    }
}
