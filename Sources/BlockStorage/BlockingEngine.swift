import LinuxSystem

/// Carries each operation out at once, with the calls that wait: for hosts that refuse io_uring, as containers do.
final class BlockingEngine: BlockEngine {
    private let file: RawFile
    private var ended: [BlockCompletion] = []

    init(_ file: RawFile) { self.file = file }

    var descriptor: Int32? { nil }
    var name: String { "preadv and pwritev" }

    func submit(_ operation: BlockOperation) {
        ended.append(BlockCompletion(token: operation.token, error: file.perform(operation)))
    }

    func kick() {}

    func reap() -> [BlockCompletion] {
        defer { ended.removeAll(keepingCapacity: true) }
        return ended
    }
}
