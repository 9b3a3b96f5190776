/// Why bytes are no message, or a value does not fit one.
package enum MessageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Fewer than the 256 bytes of a message.
    case tooFewBytes(Int)
    /// The header says that the payload is longer than a message has room for.
    case payloadTooLong(MessageType, size: Int)
    /// The payload ends before what its type needs.
    case payloadTooShort(MessageType, size: Int, needed: Int)
    /// A field of the payload has a value that it cannot have.
    case badField(String, value: UInt64, in: MessageType)

    package var description: String {
        switch self {
        case .tooFewBytes(let count):
            "\(count) bytes are too few for a hypervisor's message, which has \(HypervisorMessage.size)"
        case .payloadTooLong(let type, let size):
            "\(type) says that its payload has \(size) bytes: at most \(HypervisorMessage.payloadSize) fit"
        case .payloadTooShort(let type, let size, let needed):
            "\(type) has a payload of \(size) bytes and needs \(needed)"
        case .badField(let field, let value, let type):
            "\(type) has \(value) as its \(field), which cannot be"
        }
    }
}

/// The payload of a message, field by field, never outside of what its header calls valid.
///
/// It borrows the bytes: it is used only while the message is decoded.
package struct PayloadReader {
    private let bytes: UnsafeRawBufferPointer
    package let type: MessageType

    /// - Parameter bytes: the valid part of the payload.
    init(_ bytes: UnsafeRawBufferPointer, of type: MessageType) {
        self.bytes = bytes
        self.type = type
    }

    package var count: Int { bytes.count }
    var all: [UInt8] { Array(bytes) }

    /// - Throws: `payloadTooShort` where the field is not wholly inside the payload.
    package func read<T: FixedWidthInteger & BitwiseCopyable>(
        _ field: T.Type, at offset: Int
    ) throws(MessageError) -> T {
        let width = MemoryLayout<T>.size
        guard offset >= 0, bytes.count >= width, offset <= bytes.count - width else {
            throw MessageError.payloadTooShort(type, size: bytes.count, needed: offset + width)
        }
        // Sound: the field is inside the buffer (checked above), and an unaligned load needs no more than that.
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: field))
    }

    package func segment(at offset: Int) throws(MessageError) -> SegmentRegister {
        SegmentRegister(
            base: try read(UInt64.self, at: offset), limit: try read(UInt32.self, at: offset + 8),
            selector: try read(UInt16.self, at: offset + 12), attributes: try read(UInt16.self, at: offset + 14))
    }

    package func value(at offset: Int) throws(MessageError) -> RegisterValue {
        RegisterValue(low: try read(UInt64.self, at: offset), high: try read(UInt64.self, at: offset + 8))
    }

    /// - Throws: `badField` for more than 16 bytes.
    package func instruction(countAt count: Int, bytesAt offset: Int) throws(MessageError) -> InstructionBytes {
        let count = try read(UInt8.self, at: count)
        let bytes = try value(at: offset)
        guard let instruction = InstructionBytes(low: bytes.low, high: bytes.high, count: count) else {
            throw MessageError.badField("instruction byte count", value: UInt64(count), in: type)
        }
        return instruction
    }
}

/// The payload of a message that is made, all zero at first.
///
/// It borrows the bytes: it is used only while the message is encoded.
package struct PayloadWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    package let type: MessageType

    init(_ bytes: UnsafeMutableRawBufferPointer, of type: MessageType) {
        self.bytes = bytes
        self.type = type
    }

    /// - Throws: `payloadTooShort` where the field is not wholly inside the payload.
    package func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) throws(MessageError) {
        let width = MemoryLayout<T>.size
        guard offset >= 0, bytes.count >= width, offset <= bytes.count - width else {
            throw MessageError.payloadTooShort(type, size: bytes.count, needed: offset + width)
        }
        // Sound: the field is inside the buffer (checked above); a raw store has no alignment to keep.
        bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    package func write(_ segment: SegmentRegister, at offset: Int) throws(MessageError) {
        try write(segment.base, at: offset)
        try write(segment.limit, at: offset + 8)
        try write(segment.selector, at: offset + 12)
        try write(segment.attributes, at: offset + 14)
    }

    package func write(_ value: RegisterValue, at offset: Int) throws(MessageError) {
        try write(value.low, at: offset)
        try write(value.high, at: offset + 8)
    }

    package func write(
        _ instruction: InstructionBytes, countAt count: Int, bytesAt offset: Int
    ) throws(MessageError) {
        try write(instruction.count, at: count)
        try write(RegisterValue(low: instruction.low, high: instruction.high), at: offset)
    }

    /// A field of few bits.
    ///
    /// - Throws: `badField` where the value has more.
    package func bits(_ value: some FixedWidthInteger, _ width: Int, _ name: String) throws(MessageError) -> UInt64 {
        let value = UInt64(truncatingIfNeeded: value)
        guard value >> UInt64(width) == 0 else { throw MessageError.badField(name, value: value, in: type) }
        return value
    }
}

/// What a message carries, with its byte layout.
package protocol MessagePayload: Hashable, Sendable {
    /// Bytes that the structure has; a longer payload is taken, and the rest of it ignored.
    static var size: Int { get }
    /// Bytes that are written.
    static var encodedSize: Int { get }
    init(decoding payload: PayloadReader) throws(MessageError)
    func encode(into payload: PayloadWriter) throws(MessageError)
}

extension MessagePayload {
    package static var encodedSize: Int { size }
}

/// The instruction that an intercept stopped, as far as the hypervisor fetched it: 0 to 16 bytes.
package struct InstructionBytes: Hashable, Sendable {
    /// The first eight bytes, the first one lowest, and the other eight.
    package let low: UInt64
    package let high: UInt64
    package let count: UInt8

    /// Nothing fetched.
    package static let none = InstructionBytes()

    private init() {
        low = 0
        high = 0
        count = 0
    }

    /// Nil for more than 16 bytes. What stands behind the last byte is taken as it is.
    package init?(low: UInt64, high: UInt64, count: UInt8) {
        guard count <= 16 else { return nil }
        self.low = low
        self.high = high
        self.count = count
    }

    /// The first 16 of these bytes.
    package init(_ bytes: [UInt8]) {
        var words: (UInt64, UInt64) = (0, 0)
        for (index, byte) in bytes.prefix(16).enumerated() {
            if index < 8 { words.0 |= UInt64(byte) << (8 * index) } else { words.1 |= UInt64(byte) << (8 * index - 64) }
        }
        low = words.0
        high = words.1
        count = UInt8(min(bytes.count, 16))
    }

    package var bytes: [UInt8] {
        (0..<Int(count)).map { UInt8(truncatingIfNeeded: ($0 < 8 ? low : high) >> UInt64(8 * ($0 & 7))) }
    }
}
