import HypercallABI

/// The narrow waist: one way to execute a hypercall, whoever answers it.
///
/// A port takes and gives bytes exactly as the specification lays them out. Nothing above it may ask which hypervisor
/// is below, except to report it.
package protocol HypercallPort: Sendable {
    /// Executes one hypercall.
    ///
    /// - Parameters:
    ///   - control: the input value; for a repeat call also which repetitions.
    ///   - input: the input page's used part, at most 4096 bytes; for a fast call 8 or 16 bytes (RDX, then R8).
    ///   - output: the output page's used part, at most 4096 bytes; written only where the status allows.
    /// - Returns: the result value; the status of a call that failed is in it, never thrown.
    func execute(_ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer)
        -> ResultWord
}
