/// A message as `MSHV_RUN_VP` returns it and a SynIC message page holds it (HV_MESSAGE, TLFS, "Inter-Partition
/// Communication"): 16 bytes of header and up to 240 of payload.
package struct HypervisorMessage: Hashable, Sendable {
    package static let size = 256
    package static let headerSize = 16
    package static let payloadSize = 240

    package var content: InterceptMessage
    /// Whether another message waits for this slot, so that the reader has to say when it is free.
    package var isPending: Bool
    /// The sending partition, or the port that the message came through (then in the low 32 bits).
    package var sender: UInt64

    package init(_ content: InterceptMessage, isPending: Bool = false, sender: UInt64 = 0) {
        self.content = content
        self.isPending = isPending
        self.sender = sender
    }

    /// - Parameter bytes: at least the 256 of a message; more are ignored.
    /// - Throws: for everything that a message cannot be. It never traps, whatever the bytes are.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(MessageError) {
        guard bytes.count >= Self.size else { throw MessageError.tooFewBytes(bytes.count) }
        // Sound: all offsets are below `size`, and an unaligned load needs no more than that.
        let type = MessageType(rawValue: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)))
        let count = Int(bytes[4])
        guard count <= Self.payloadSize else { throw MessageError.payloadTooLong(type, size: count) }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[Self.headerSize..<Self.headerSize + count])
        content = try InterceptMessage(decoding: PayloadReader(payload, of: type))
        isPending = bytes[5] & 1 != 0
        sender = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    package init(decoding bytes: [UInt8]) throws(MessageError) {
        // The closure throws nothing by itself: a result is what a typed throw can leave it with.
        self = try bytes.withUnsafeBytes { buffer in
            Result { () throws(MessageError) in try HypervisorMessage(decoding: buffer) }
        }.get()
    }

    /// Writes the message's 256 bytes, those behind the payload as zero.
    ///
    /// - Parameter bytes: at least 256.
    /// - Throws: `tooFewBytes`, and `badField` for a value that does not fit its field; the bytes are then undefined.
    package func encode(into bytes: UnsafeMutableRawBufferPointer) throws(MessageError) {
        guard bytes.count >= Self.size, let base = bytes.baseAddress else {
            throw MessageError.tooFewBytes(bytes.count)
        }
        // Sound: `size` bytes are there (checked above), and raw stores have no alignment to keep.
        base.initializeMemory(as: UInt8.self, repeating: 0, count: Self.size)
        let type = content.type
        let room = UnsafeMutableRawBufferPointer(rebasing: bytes[Self.headerSize..<Self.size])
        let count: Int
        if case .unknown(_, let payload) = content {
            guard payload.count <= Self.payloadSize else {
                throw MessageError.payloadTooLong(type, size: payload.count)
            }
            room.copyBytes(from: payload)
            count = payload.count
        } else {
            count =
                try content.withPayload { payload throws(MessageError) in
                    try payload.encode(into: PayloadWriter(room, of: type))
                    return Swift.type(of: payload).encodedSize
                } ?? 0
        }
        bytes.storeBytes(of: type.rawValue.littleEndian, toByteOffset: 0, as: UInt32.self)
        bytes[4] = UInt8(count)
        bytes[5] = isPending ? 1 : 0
        bytes.storeBytes(of: sender.littleEndian, toByteOffset: 8, as: UInt64.self)
    }

    package var bytes: [UInt8] {
        get throws(MessageError) {
            var bytes = [UInt8](repeating: 0, count: Self.size)
            try bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(MessageError) in try encode(into: buffer) }
            }.get()
            return bytes
        }
    }
}
