import CLinux
import Glibc
import Hypervisor
import LinuxSystem
import Synchronization

/// A KVM VM's descriptor and memory: what a partition and its processors share.
///
/// Memory slots are installed when the first processor runs, so that memory that was mapped page by page becomes few
/// slots; from then on every change takes effect at once.
final class KvmMachine: Sendable {
    let descriptor: FileDescriptor
    private let slotLimit: UInt32
    private let armed = Atomic<Bool>(false)
    let state = Mutex(State())

    struct State {
        var map = GuestMemoryMap()
        var isArmed = false
        var isClosed = false
        var freeSlots: [UInt32] = []
        var nextSlot: UInt32 = 0
        var gates: [RunGate] = []
        var dirtyLog = DirtyLog()
    }

    init(descriptor: consuming FileDescriptor, slotLimit: UInt32) {
        self.descriptor = descriptor
        self.slotLimit = slotLimit
    }

    /// From now on memory changes stop the processor behind `gate` too.
    func add(_ gate: RunGate) { state.withLock { $0.gates.append(gate) } }

    /// The extents as they are, with their slots.
    var extents: [MemoryExtent] { state.withLock { $0.map.extents } }

    /// Installs the memory slots, the first time. Every run begins with it.
    func arm() throws(HypervisorError) {
        if armed.load(ordering: .acquiring) { return }
        try state.withLock { (state) throws(HypervisorError) in
            if state.isClosed { throw HypervisorError("the partition is closed") }
            if state.isArmed { return }
            for extent in state.map.extents where extent.slot == nil { try install(extent, &state) }
            state.isArmed = true
            armed.store(true, ordering: .releasing)
        }
    }

    func map(_ extent: MemoryExtent) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in
            try state.map.insert(extent, merging: !state.isArmed)
            guard state.isArmed else { return }
            // KVM installs a slot as a whole, and a processor that faulted there tries again: nobody needs to stop.
            do throws(HypervisorError) {
                try install(extent, &state)
            } catch {
                // What could not be installed is not mapped; the range was free before.
                _ = try state.map.remove(gpa: extent.gpa, count: extent.count)
                throw error
            }
        }
    }

    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in
            let (gone, left) = try state.map.remove(gpa: gpa, count: count)
            guard state.isArmed, !gone.isEmpty else { return }
            // All processors stand still meanwhile: what is left of a slot is away for a moment, and no access to it
            // may look like one to a device.
            for gate in state.gates { gate.beginHold() }
            for gate in state.gates { gate.waitUntilOutside() }
            defer { for gate in state.gates { gate.release() } }
            for extent in gone {
                collectDirtyPages(of: extent, &state)
                try uninstall(extent, &state)
            }
            for extent in left { try install(extent, &state) }
        }
    }

    /// Takes all memory away for good. No processor runs any more.
    func close() {
        state.withLock { state in
            state.isClosed = true
            armed.store(false, ordering: .releasing)
            for extent in state.map.extents where extent.slot != nil {
                // Nobody is left to tell; the kernel frees what remains with the last descriptor.
                try? uninstall(extent, &state)
            }
            state.map = GuestMemoryMap()
            state.gates = []
        }
    }

    private func install(_ extent: MemoryExtent, _ state: inout State) throws(HypervisorError) {
        let slot: UInt32
        if let free = state.freeSlots.popLast() {
            slot = free
        } else {
            guard state.nextSlot < slotLimit else {
                throw HypervisorError("the partition's memory is in more than \(slotLimit) pieces, KVM's limit")
            }
            slot = state.nextSlot
            state.nextSlot += 1
        }
        var region = kvm_userspace_memory_region(
            slot: slot, flags: slotFlags(of: extent, state), guest_phys_addr: extent.gpa,
            memory_size: extent.count, userspace_addr: UInt64(extent.host))
        do {
            try descriptor.ioctl(HV_KVM_SET_USER_MEMORY_REGION, &region)
        } catch {
            state.freeSlots.append(slot)
            throw HypervisorError(
                "KVM refuses 0x\(hex(extent.count)) bytes of memory at 0x\(hex(extent.gpa)) (slot \(slot)): \(error)")
        }
        state.map.setSlot(slot, at: extent.gpa)
    }

    private func uninstall(_ extent: MemoryExtent, _ state: inout State) throws(HypervisorError) {
        guard let slot = extent.slot else { return }
        var region = kvm_userspace_memory_region(
            slot: slot, flags: 0, guest_phys_addr: extent.gpa, memory_size: 0, userspace_addr: 0)
        do {
            try descriptor.ioctl(HV_KVM_SET_USER_MEMORY_REGION, &region)
        } catch {
            throw HypervisorError("KVM does not take away memory slot \(slot) at 0x\(hex(extent.gpa)): \(error)")
        }
        state.freeSlots.append(slot)
    }
}
