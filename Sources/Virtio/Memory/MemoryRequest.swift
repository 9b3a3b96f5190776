/// A request of the driver of a memory device, and the answer to it (virtio 1.2, 5.15.6).
enum MemoryRequest: Equatable {
    case plug(gpa: UInt64, blocks: UInt16)
    case unplug(gpa: UInt64, blocks: UInt16)
    case unplugAll
    case state(gpa: UInt64, blocks: UInt16)
    case unknown(UInt16)

    static let size = 24

    /// - Parameter bytes: `size` of them.
    init(_ bytes: [UInt8]) {
        let (type, gpa, blocks) = bytes.withUnsafeBytes { bytes in
            (
                UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self)),
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt16.self))
            )
        }
        self =
            switch type {
            case 0: .plug(gpa: gpa, blocks: blocks)
            case 1: .unplug(gpa: gpa, blocks: blocks)
            case 2: .unplugAll
            case 3: .state(gpa: gpa, blocks: blocks)
            default: .unknown(type)
            }
    }

    struct Answer: Equatable {
        enum Kind: UInt16 {
            /// Done; for a question about the state with `state`.
            case acknowledged, refused, busy, error
        }

        var kind: Kind
        /// 0 plugged, 1 unplugged, 2 both.
        var state: UInt16 = 0

        static let size = 10

        var bytes: [UInt8] {
            [UInt8(kind.rawValue), 0, 0, 0, 0, 0, 0, 0, UInt8(truncatingIfNeeded: state), 0]
        }
    }
}
