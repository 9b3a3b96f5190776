import CLinux
import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// Guest pages that processors wrote, by page number, while somebody wants to know.
struct DirtyLog: Sendable {
    var isOn = false
    /// What was taken from KVM and nobody has asked for yet: KVM gives, and forgets, a memory slot as a whole.
    var pages = PageSet()
}

extension KvmMachine {
    /// A slot's flags as they are to be now.
    func slotFlags(of extent: MemoryExtent, _ state: borrowing State) -> UInt32 {
        guard extent.access.contains(.write) else { return HV_KVM_MEM_READONLY }
        return state.dirtyLog.isOn ? HV_KVM_MEM_LOG_DIRTY_PAGES : 0
    }

    func setDirtyTracking(_ isOn: Bool) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in
            guard state.dirtyLog.isOn != isOn else { return }
            state.dirtyLog = DirtyLog(isOn: isOn)
            // Slots that are installed later get the flag with it.
            for extent in state.map.extents {
                guard let slot = extent.slot, extent.access.contains(.write) else { continue }
                var region = kvm_userspace_memory_region(
                    slot: slot, flags: slotFlags(of: extent, state), guest_phys_addr: extent.gpa,
                    memory_size: extent.count, userspace_addr: UInt64(extent.host))
                do {
                    try descriptor.ioctl(HV_KVM_SET_USER_MEMORY_REGION, &region)
                } catch {
                    throw HypervisorError(
                        "KVM does not \(isOn ? "begin" : "end") the log of written pages of memory slot \(slot) at "
                            + "0x\(hex(extent.gpa)): \(error)")
                }
            }
        }
    }

    func takeDirtyPages(_ range: Range<UInt64>) -> [Range<UInt64>] {
        state.withLock { state in
            guard state.dirtyLog.isOn, !range.isEmpty else { return [] }
            let page = UInt64(pageSize)
            for extent in state.map.extents
            where extent.gpa / page < range.upperBound && extent.end / page > range.lowerBound {
                collectDirtyPages(of: extent, &state)
            }
            let found = state.dirtyLog.pages.runs(in: range)
            state.dirtyLog.pages.remove(range)
            return found
        }
    }

    /// Moves what KVM knows of a slot into the log. Where KVM refuses, all of the slot counts as written: that costs
    /// its reader time, and a page too few would cost it data.
    func collectDirtyPages(of extent: MemoryExtent, _ state: inout State) {
        guard state.dirtyLog.isOn, let slot = extent.slot, extent.access.contains(.write) else { return }
        let first = extent.gpa / UInt64(pageSize)
        let count = extent.count / UInt64(pageSize)
        var bitmap = [UInt64](repeating: 0, count: Int(clamping: (count + 63) / 64))
        guard hv_kvm_get_dirty_log(descriptor.raw, slot, &bitmap) == 0 else {
            state.dirtyLog.pages.insert(first..<(first + count))
            return
        }
        for (index, word) in bitmap.enumerated() where word != 0 {
            state.dirtyLog.pages.insert(bits: word, from: first + 64 * UInt64(index))
        }
    }
}

extension KvmPartition {
    func setDirtyTracking(_ isOn: Bool) throws(HypervisorError) { try machine.setDirtyTracking(isOn) }

    func takeDirtyPages(_ range: Range<UInt64>) throws(HypercallStatus) -> [Range<UInt64>] {
        machine.takeDirtyPages(range)
    }
}
