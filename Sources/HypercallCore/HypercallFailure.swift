import HypercallABI

/// A hypercall that did not succeed.
package struct HypercallFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package var code: CallCode
    package var status: HypercallStatus
    /// Repetitions done before it failed, over all the batches of one method of `HypercallClient`.
    package var repsCompleted: Int

    package init(code: CallCode, status: HypercallStatus, repsCompleted: Int = 0) {
        self.code = code
        self.status = status
        self.repsCompleted = repsCompleted
    }

    package var description: String {
        let progress = repsCompleted > 0 ? " after \(repsCompleted) repetitions" : ""
        return "\(code) failed with \(status)\(progress)"
    }
}
