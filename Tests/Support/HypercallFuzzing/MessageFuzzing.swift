import HypercallABI

/// Drives the decoder of the hypervisor's messages from bytes alone: a fuzzer's entry, and a test's.
package enum MessageFuzzing {
    private static let types = MessageType.names.keys.map(\.rawValue).sorted()

    /// Decodes a message. What can be decoded can be written, and then reads the same.
    ///
    /// - Returns: false where it does not.
    @discardableResult
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var message = [UInt8](repeating: 0, count: HypervisorMessage.size)
        for index in 0..<min(bytes.count, message.count) { message[index] = bytes[index] }
        // Types are far apart in 32 bits: most of the time the first byte chooses one.
        if let first = bytes.first, first < 0xF0 {
            let type = types[Int(first) % types.count]
            for index in 0..<4 { message[index] = UInt8(truncatingIfNeeded: type >> UInt32(8 * index)) }
        }
        guard let decoded = try? HypervisorMessage(decoding: message) else { return true }
        guard let written = try? decoded.bytes else { return false }
        return (try? HypervisorMessage(decoding: written)) == decoded
    }
}
