import EmbeddedHypervisor
import HypercallABI

/// What a virtual processor's descriptor does, behind the checks that the driver makes. The descriptor calls `run`,
/// `getState` and `setState` one at a time; `retire` may come at any time, once.
package protocol EmulatedProcessor: AnyObject, Sendable {
    /// Runs the processor until a message for the root is there, which is then in `message` (256 bytes) and on the
    /// message page.
    ///
    /// - Returns: 0, or a positive errno: EINTR when a signal came to the calling thread.
    func run(into message: UnsafeMutableRawBufferPointer) -> Int32

    /// Reads a state component (MSHV_VP_STATE_*, below 5) into the beginning of `buffer`.
    ///
    /// - Returns: 0 or a positive errno, and the bytes that the component has. Where `buffer` has fewer, nothing is
    ///   written and the errno is EINVAL.
    func getState(type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int)

    /// Sets a state component from the beginning of `bytes`, which are as many as the component has, or more.
    ///
    /// - Returns: 0 or a positive errno.
    func setState(type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32

    /// Takes over what the program changed on the page of registers. A `run` does so too.
    ///
    /// - Returns: 0 or a positive errno.
    func takeChanges() -> Int32

    /// Registers were set by a call: the page is to show them.
    func registersChanged()

    /// Ends the processor: a `run` under way ends, and later ones fail with EIO. Its pages are no longer touched when
    /// this returns.
    func retire()
}

extension EmulatedProcessor {
    /// One without a page of registers has nothing to take or to show.
    package func takeChanges() -> Int32 { 0 }
    package func registersChanged() {}
}

/// The pages of a processor that its program may map: memory of this process that is there until `retire` has returned.
package struct ProcessorPages: @unchecked Sendable {
    // Unchecked: only addresses. The program and the processor share the memory, as a root and the hypervisor do.

    /// `struct hv_vp_register_page`: 4096 bytes.
    package let registers: UnsafeMutableRawPointer
    /// `struct hv_message`: 4096 bytes.
    package let message: UnsafeMutableRawPointer
}

/// What a partition's guest causes in the root without an exit of the processor that it happened on.
package protocol GuestNotifications: AnyObject, Sendable {
    /// A write to a guest address without memory. `size` is 1, 2, 4 or 8 bytes.
    ///
    /// - Returns: whether a doorbell (MSHV_IOEVENTFD) took it; then the processor goes on behind the instruction.
    func doorbell(gpa: UInt64, size: Int, value: UInt64) -> Bool

    /// The end of a level-triggered interrupt.
    ///
    /// - Returns: whether a resampling irqfd took it; then the processor goes on, and the program gets no message.
    func acknowledge(vector: UInt8) -> Bool
}

/// Makes the processors of the emulator's partitions; the processor exists in the hypervisor already.
package typealias ProcessorFactory =
    @Sendable (
        _ hypervisor: EmbeddedHypervisor, _ partition: PartitionID, _ index: VPIndex, _ pages: ProcessorPages,
        _ notifications: any GuestNotifications
    ) throws(HypercallStatus) -> any EmulatedProcessor
