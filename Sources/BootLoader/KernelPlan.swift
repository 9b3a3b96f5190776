import GuestMemory

/// How a kernel is entered.
package enum BootProtocol: String, Sendable {
    /// Linux's 64-bit boot protocol: RSI points to boot_params.
    case linux64
    /// The x86/HVM direct boot ABI: 32-bit protected mode, EBX points to hvm_start_info.
    case pvh
    /// 64-bit mode, RBX points to hvm_start_info.
    case flat
}

/// What parsing a kernel's file gives: all that loading it needs.
struct KernelPlan: Sendable, Equatable {
    /// Bytes of the file (or of the built-in guest) and where they go; the rest up to `memoryCount` becomes zero.
    struct Segment: Sendable, Equatable {
        var offset: UInt64
        var fileCount: UInt64
        var gpa: UInt64
        var memoryCount: UInt64
        /// Checked when the plan was made: it is inside the guest's memory.
        var end: UInt64 { gpa + memoryCount }
    }

    var bootProtocol: BootProtocol
    /// Guest physical address of the first instruction.
    var entry: UInt64
    var segments: [Segment]
    /// The first address above the kernel, with all it needs before it can read the memory map.
    var end: UInt64
    /// Bytes of the command line, without its NUL.
    var commandLineLimit: Int
    /// The highest address the initrd's last byte may have; below 4 GiB.
    var initrdLimit: UInt64
    /// The bzImage's setup header (from offset 0x1f1), else empty.
    var setupHeader: [UInt8] = []
    /// One line for people: what it is.
    var summary: String

    /// Throws unless the guest has memory up to `end`.
    ///
    /// - Parameter detail: why so much, for the message.
    static func checkFits(end: UInt64, memorySize: UInt64, detail: String) throws(BootError) {
        if end <= GuestMemory.lowEnd(of: memorySize) { return }
        let need = "it needs memory up to \(hex(end)) (\(detail))"
        guard end <= GuestMemory.lowLimit, let whole = roundedUp(end, to: GuestMemory.granularity) else {
            throw BootError(
                "kernel", "oversized: \(need); a guest's low memory ends at \(hex(GuestMemory.lowLimit)) at the latest")
        }
        throw BootError(
            "kernel", "\(need); the VM has \(size(memorySize)), at least \(size(whole)) would be right")
    }
}
