import HypercallABI
import Synchronization

/// Counts the calls through a port by code and status.
package final class CountingPort: HypercallPort {
    /// What is counted together.
    package struct Outcome: Hashable, Sendable {
        package var code: CallCode
        package var status: HypercallStatus

        package init(code: CallCode, status: HypercallStatus) {
            self.code = code
            self.status = status
        }
    }

    /// Calls and statuses that nobody knows could be as many as there are numbers; these are the most that are told
    /// apart.
    private static let maximumOutcomes = 1024

    private let port: any HypercallPort
    private let tally = Mutex<[Outcome: UInt64]>([:])

    package init(_ port: any HypercallPort) { self.port = port }

    package func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        let result = port.execute(control, input: input, output: output)
        let outcome = Outcome(code: control.code, status: result.status)
        tally.withLock { tally in
            if let count = tally[outcome] {
                tally[outcome] = count &+ 1
            } else if tally.count < Self.maximumOutcomes {
                tally[outcome] = 1
            }
        }
        return result
    }

    /// The calls so far.
    package var counts: [Outcome: UInt64] { tally.withLock { $0 } }
}
