/// A fuzzer's bytes, one after the other; then zeros. It is valid as long as they are.
package struct FuzzBytes {
    private let bytes: UnsafeRawBufferPointer
    private var next = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var isAtEnd: Bool { next >= bytes.count }

    package mutating func byte() -> UInt8 {
        guard next < bytes.count else { return 0 }
        defer { next += 1 }
        return bytes[next]
    }

    /// Eight bytes, the first of them highest.
    package mutating func word() -> UInt64 { (0..<8).reduce(0) { value, _ in value << 8 | UInt64(byte()) } }
}
