import CLinux
import Hypervisor
import LinuxSystem

/// The memory that a vCPU shares with the kernel: struct kvm_run and behind it the data of port I/O.
final class VPMemory: Sendable {
    private let mapping: MemoryMapping

    init(_ mapping: consuming MemoryMapping) { self.mapping = mapping }

    /// Valid as long as this object. The mapping is at least as large as the struct: `KvmEngine.init` checks it.
    var run: UnsafeMutablePointer<kvm_run> { mapping.base.assumingMemoryBound(to: kvm_run.self) }
    var base: UnsafeMutableRawPointer { mapping.base }
    var count: Int { mapping.count }
}

/// What a KVM exit asks of a device, given out in pieces: each element of a string instruction, and of an access of
/// an odd size each power of two, is an exit of its own. The data stay in the shared memory.
struct DeviceTransfer {
    private let isPort: Bool
    private let isWrite: Bool
    /// Bytes per element of port I/O.
    private let elementSize: Int
    private var address: UInt64
    private var offset: Int
    private var remaining: Int
    /// Bytes of the read that was given out last and waits for its answer.
    private var awaited = 0

    /// - Returns: nil where the kernel's numbers do not fit the memory, which is the caller's to report.
    init?(_ transfer: hv_kvm_transfer, isPort: Bool, memory: VPMemory) {
        let size = Int(transfer.element_size)
        guard isPort ? [1, 2, 4].contains(size) : (1...8).contains(size) else { return nil }
        guard transfer.count <= 4096, transfer.data_offset <= UInt64(memory.count) else { return nil }
        self.isPort = isPort
        isWrite = transfer.is_write != 0
        elementSize = size
        address = transfer.address
        offset = Int(transfer.data_offset)
        remaining = size * Int(transfer.count)
        guard remaining <= memory.count - offset else { return nil }
    }

    /// Whether a read was given out that nobody has answered.
    var awaitsAnswer: Bool { awaited > 0 }

    /// The next piece, or nil when all are done and the processor can go on.
    mutating func next(in memory: VPMemory) -> VPExit? {
        // A read that nobody answered is over: its data are what the buffer held.
        advance(by: awaited)
        guard remaining > 0 else { return nil }
        let size = isPort ? elementSize : remaining >= 8 ? 8 : remaining >= 4 ? 4 : remaining >= 2 ? 2 : 1
        let exit: VPExit
        if isWrite {
            var value: UInt64 = 0
            // Sound: offset + size lies in the mapping (checked in init), and `value` has 8 bytes, size at most 8.
            withUnsafeMutableBytes(of: &value) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: memory.base + offset, count: size))
            }
            exit =
                isPort
                ? .portWrite(
                    port: UInt16(truncatingIfNeeded: address), size: UInt8(size),
                    value: UInt32(truncatingIfNeeded: value))
                : .mmioWrite(gpa: address, size: UInt8(size), value: value)
            advance(by: size)
        } else {
            exit =
                isPort
                ? .portRead(port: UInt16(truncatingIfNeeded: address), size: UInt8(size))
                : .mmioRead(gpa: address, size: UInt8(size))
            awaited = size
        }
        return exit
    }

    /// Answers the read that `next` gave out last; without one, does nothing.
    mutating func complete(_ value: UInt64, in memory: VPMemory) {
        guard awaited > 0 else { return }
        // Sound: as in `next`.
        withUnsafeBytes(of: value) {
            UnsafeMutableRawBufferPointer(start: memory.base + offset, count: awaited)
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<awaited]))
        }
        advance(by: awaited)
    }

    private mutating func advance(by size: Int) {
        offset += size
        remaining -= size
        // The elements of string I/O all go to one port.
        if !isPort { address &+= UInt64(size) }
        awaited = 0
    }
}
