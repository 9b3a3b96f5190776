/// One message on a control socket: a length (u32, of all that follows it), a version (u16), a kind (u16), all
/// little-endian, and a payload of JSON.
package struct Frame: Sendable, Equatable {
    package static let version: UInt16 = 1
    /// The most that may follow the length.
    package static let maximumLength = 1 << 20

    package var kind: UInt16
    package var payload: [UInt8]

    package init(kind: UInt16, payload: [UInt8]) {
        self.kind = kind
        self.payload = payload
    }

    /// The frame's bytes, or nil where the payload is too long for one.
    package var bytes: [UInt8]? {
        let length = payload.count + 4
        guard length <= Frame.maximumLength else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length + 4)
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        for word in [Frame.version, kind] {
            bytes.append(UInt8(truncatingIfNeeded: word))
            bytes.append(UInt8(truncatingIfNeeded: word >> 8))
        }
        return bytes + payload
    }
}

/// Bytes that can't be a frame. The stream has no place to go on after that.
package enum FrameError: Error, Equatable, Sendable, CustomStringConvertible {
    case length(UInt32)
    case version(UInt16)

    package var description: String {
        switch self {
        case .length(let length): "a frame of \(length) bytes; 4 to \(Frame.maximumLength) are allowed"
        case .version(let version): "a frame of version \(version); this program speaks \(Frame.version)"
        }
    }
}

/// Cuts a stream of bytes, however it arrives in pieces, into frames.
package struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0
    private var failure: FrameError?

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        guard failure == nil else { return }
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// The next whole frame; nil where more bytes are needed. After an error every call throws it again.
    package mutating func next() throws(FrameError) -> Frame? {
        if let failure { throw failure }
        let available = buffer.count - start
        guard available >= 8 else {
            if available >= 4 { try check(length: littleEndian(buffer, start, as: UInt32.self)) }
            return nil
        }
        let length = littleEndian(buffer, start, as: UInt32.self)
        try check(length: length)
        let version = littleEndian(buffer, start + 4, as: UInt16.self)
        guard version == Frame.version else { throw fail(.version(version)) }
        let end = start + 4 + Int(length)
        guard buffer.count >= end else { return nil }
        let frame = Frame(
            kind: littleEndian(buffer, start + 6, as: UInt16.self), payload: Array(buffer[start + 8..<end]))
        start = end
        return frame
    }

    private mutating func check(length: UInt32) throws(FrameError) {
        guard length >= 4, length <= UInt32(Frame.maximumLength) else { throw fail(.length(length)) }
    }

    private mutating func fail(_ error: FrameError) -> FrameError {
        failure = error
        buffer = []
        start = 0
        return error
    }
}
