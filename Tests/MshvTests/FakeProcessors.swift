import EmbeddedHypervisor
import EmulatorFuzzing
import HypercallABI
import MshvEmulator
import Synchronization

@testable import MshvEmulatorEntry

/// The fake processors of the partitions that a test makes with `partition`.
enum FakeProcessors {
    /// One test at a time takes the process's processors over.
    private static let turn = Mutex(())

    /// Makes processors fakes while `body` runs, and lends the list of those made.
    static func use(_ body: (_ made: () -> [FakeProcessor]) throws -> Void) throws {
        try turn.withLock { _ in
            let list = List()
            ProcessEmulator.processors.withLock { make in
                make = { (_, _, index, pages, notifications) throws(HypercallStatus) in
                    let processor = FakeProcessor(index, pages, notifications)
                    list.processors.withLock { $0.append(processor) }
                    return processor
                }
            }
            defer { ProcessEmulator.processors.withLock { $0 = nil } }
            try body { list.processors.withLock { $0 } }
        }
    }

    private final class List: Sendable {
        let processors = Mutex<[FakeProcessor]>([])
    }
}
