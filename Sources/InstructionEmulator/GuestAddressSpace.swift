/// The guest's memory as an emulated instruction reaches it.
package protocol GuestAddressSpace {
    /// The guest physical address behind a linear address.
    ///
    /// - Throws: `GuestFault`, a page fault that the guest has to get.
    mutating func translate(_ linear: UInt64, for access: MemoryAccess) throws(GuestFault) -> UInt64

    /// Reads `count` bytes (at most 16, within one page) of guest memory; nil where a device is there.
    mutating func read(_ gpa: UInt64, count: Int) -> [UInt8]?

    /// Writes bytes (at most 16, within one page) of guest memory; false where a device is there.
    mutating func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool
}

package enum MemoryAccess: Sendable {
    case read, write, execute
}

/// An exception that an instruction ends with.
package struct GuestFault: Error, Equatable, Sendable {
    package var vector: UInt8
    package var errorCode: UInt32?
    /// CR2 of a page fault.
    package var address: UInt64?

    package init(vector: UInt8, errorCode: UInt32?, address: UInt64? = nil) {
        self.vector = vector
        self.errorCode = errorCode
        self.address = address
    }
}

/// What an emulated instruction needs next, or how it ended.
package enum EmulationStep: Equatable, Sendable {
    /// A device's register has to be read: the value goes into the following `next`. `size` is 1, 2, 4 or 8.
    case read(gpa: UInt64, size: UInt8)
    /// A device's register has to be written. `size` is 1, 2, 4 or 8; the other bits of `value` are zero.
    case write(gpa: UInt64, size: UInt8, value: UInt64)
    /// An I/O port has to be read (IN, INS): the value goes into the following `next`. `size` is 1, 2 or 4.
    case readPort(port: UInt16, size: UInt8)
    /// An I/O port has to be written (OUT, OUTS). `size` is 1, 2 or 4; the other bits of `value` are zero.
    case writePort(port: UInt16, size: UInt8, value: UInt32)
    /// The instruction is done (a repeated string instruction perhaps only in part: it stands at itself again), and
    /// this is the processor's state now.
    case finished(GuestState)
    /// The instruction has no effect but this exception.
    case fault(GuestFault)
    /// An instruction that is not emulated, and which.
    case unsupported(String)
}
