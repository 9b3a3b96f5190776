import BlockStorage
import Glibc
import LinuxSystem

/// An image without a file: its operations end when the test lets them, the last one first, and fail as it says.
final class FakeImage: BlockImage {
    struct Seen {
        /// Whether operations stay under way.
        var isHeld = false
        /// What operations end with from now on.
        var failure: Errno?
        /// What was submitted, in order.
        var kinds: [BlockOperation.Kind] = []
        var underWay = 0
        var mostUnderWay = 0
        /// Bytes of the vectors of each operation that had some.
        var lengths: [[Int]] = []
    }

    let byteCount: UInt64 = 1 << 40
    let geometry: BlockGeometry
    let isReadOnly = false
    let seen = Monitor(Seen())
    private let released: EventFD

    init(_ geometry: BlockGeometry = BlockGeometry(), isHeld: Bool = false) throws {
        self.geometry = geometry
        released = try EventFD()
        seen.withLock { $0.isHeld = isHeld }
        if !isHeld { released.signal() }
    }

    func refreshSize() throws(BlockStorageError) -> UInt64 { byteCount }

    func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine { Engine(self) }

    /// Lets what is under way end, and all that follows.
    func release() {
        seen.withLock { $0.isHeld = false }
        released.signal()
    }

    func waitForSubmitted(_ count: Int) { seen.wait { $0.kinds.count >= count ? () : nil } }

    private final class Engine: BlockEngine {
        private let image: FakeImage
        private var underWay: [BlockOperation] = []

        init(_ image: FakeImage) { self.image = image }

        // Readable for good once it was released: it is looked at only while something is under way.
        var descriptor: Int32? { image.released.raw }
        var name: String { "none" }

        func submit(_ operation: BlockOperation) {
            underWay.append(operation)
            let lengths = operation.vectors.map { Int($0.iov_len) }
            image.seen.withLock { seen in
                seen.kinds.append(operation.kind)
                if !lengths.isEmpty { seen.lengths.append(lengths) }
                seen.underWay += 1
                seen.mostUnderWay = max(seen.mostUnderWay, seen.underWay)
            }
        }

        func kick() {}

        func reap() -> [BlockCompletion] {
            let failure: Errno?? = image.seen.withLock { seen in
                if seen.isHeld { return nil }
                seen.underWay -= underWay.count
                return .some(seen.failure)
            }
            guard let failure else { return [] }
            defer { underWay = [] }
            return underWay.reversed().map { operation in
                if operation.kind == .read, failure == nil {
                    // Sound: the vectors are the engine's until the operation ends.
                    for vector in operation.vectors { memset(vector.iov_base, 0x5C, vector.iov_len) }
                }
                return BlockCompletion(token: operation.token, error: failure)
            }
        }
    }
}
