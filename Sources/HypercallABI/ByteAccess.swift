/// Reads little-endian fields at explicit offsets of a hypercall's input or output, never outside it.
///
/// It borrows the bytes: it is used only within the call that was given them.
package struct ByteReader {
    private let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// - Throws: `invalidHypercallInput` where the field is not wholly inside the bytes, as for every short input.
    package func read<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, at offset: Int
    ) throws(HypercallStatus) -> T {
        let width = MemoryLayout<T>.size
        guard offset >= 0, bytes.count >= width, offset <= bytes.count - width else {
            throw HypercallStatus.invalidHypercallInput
        }
        // Sound: the field is inside the buffer (checked above), and an unaligned load needs no more than that.
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// The bytes from `offset` on.
    ///
    /// - Throws: `invalidHypercallInput` where `offset` lies behind the end.
    package func from(_ offset: Int) throws(HypercallStatus) -> ByteReader {
        guard offset >= 0, offset <= bytes.count else { throw HypercallStatus.invalidHypercallInput }
        return ByteReader(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }

    /// So many bytes from `offset` on.
    ///
    /// - Throws: `invalidHypercallInput` where they are not all there.
    package func bytes(_ count: Int, at offset: Int) throws(HypercallStatus) -> [UInt8] {
        guard count >= 0, offset >= 0, count <= bytes.count, offset <= bytes.count - count else {
            throw HypercallStatus.invalidHypercallInput
        }
        return Array(bytes[offset..<(offset + count)])
    }

    /// - Throws: `invalidParameter` where the field, which the specification reserves, is not zero.
    package func requireZero<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, at offset: Int
    ) throws(HypercallStatus) {
        guard try read(type, at: offset) == 0 else { throw HypercallStatus.invalidParameter }
    }
}

/// Writes little-endian fields at explicit offsets of a hypercall's input or output, never outside it.
///
/// It borrows the bytes: it is used only within the call that was given them.
package struct ByteWriter {
    private let bytes: UnsafeMutableRawBufferPointer

    package init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// - Throws: `invalidHypercallInput` where the field is not wholly inside the bytes.
    package func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) throws(HypercallStatus) {
        let width = MemoryLayout<T>.size
        guard offset >= 0, bytes.count >= width, offset <= bytes.count - width else {
            throw HypercallStatus.invalidHypercallInput
        }
        // Sound: the field is inside the buffer (checked above); a raw store has no alignment to keep.
        bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// The bytes from `offset` on.
    ///
    /// - Throws: `invalidHypercallInput` where `offset` lies behind the end.
    package func from(_ offset: Int) throws(HypercallStatus) -> ByteWriter {
        guard offset >= 0, offset <= bytes.count else { throw HypercallStatus.invalidHypercallInput }
        return ByteWriter(UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]))
    }

    /// - Throws: `invalidHypercallInput` where the bytes do not fit.
    package func write(_ source: [UInt8], at offset: Int) throws(HypercallStatus) {
        guard offset >= 0, source.count <= bytes.count, offset <= bytes.count - source.count else {
            throw HypercallStatus.invalidHypercallInput
        }
        // Sound: the range is inside the buffer (checked above) and as long as the source.
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + source.count)]).copyBytes(from: source)
    }

    /// Makes the first `count` bytes zero, reserved fields included.
    package func zero(_ count: Int) throws(HypercallStatus) {
        guard count >= 0, count <= bytes.count else { throw HypercallStatus.invalidHypercallInput }
        // Sound: `count` bytes are inside the buffer (checked above).
        if let base = bytes.baseAddress { base.initializeMemory(as: UInt8.self, repeating: 0, count: count) }
    }
}

/// A structure of the specification with its byte layout.
package protocol HypercallStructure: Sendable {
    /// Bytes, without the list that follows in a repeat call.
    static var size: Int { get }

    /// Parses and checks the structure's own rules: reserved fields and values without a meaning.
    ///
    /// - Throws: `invalidHypercallInput` for too few bytes, `invalidParameter` for a reserved field that is not zero,
    ///   `invalidProximityDomainInfo` for a malformed proximity domain.
    init(decoding bytes: ByteReader) throws(HypercallStatus)

    /// Writes all `size` bytes.
    ///
    /// - Throws: `invalidHypercallInput` where there is no room.
    func encode(into bytes: ByteWriter) throws(HypercallStatus)
}
