import CLinux
import HypercallABI
import Hypervisor
import LinuxSystem

extension KvmVP {
    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        var places: [RegisterPlace] = []
        for name in names {
            guard let place = RegisterPlace(name) else { throw .invalidParameter }
            places.append(place)
        }
        return try standingStill { () throws(HypercallStatus) in
            var copy = RegisterCopy(self)
            return try copy.values(of: places)
        }
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {
        var values: [(RegisterPlace, RegisterValue)] = []
        for register in registers {
            guard let place = RegisterPlace(register.name), place.canBeSet else {
                throw .invalidParameter
            }
            values.append((place, register.value))
        }
        try standingStill { () throws(HypercallStatus) in
            var copy = RegisterCopy(self)
            for (place, value) in values { try copy.set(place, to: value) }
            try copy.writeBack()
        }
    }

    /// - Throws: `Errno`; `EINVAL` also for an MSR or value that KVM refuses.
    func writeMSRs(_ values: [(index: UInt32, value: UInt64)]) throws(Errno) {
        try exchangeMSRs(values, HV_KVM_SET_MSRS)
    }

    /// - Throws: `Errno`; `EINVAL` also for an MSR that KVM does not have.
    func readMSRs(_ indexes: [UInt32]) throws(Errno) -> [UInt64] {
        try exchangeMSRs(indexes.map { ($0, 0) }, HV_KVM_GET_MSRS)
    }

    @discardableResult
    private func exchangeMSRs(
        _ values: [(index: UInt32, value: UInt64)], _ request: UInt
    ) throws(Errno) -> [UInt64] {
        var results: [UInt64] = []
        var start = 0
        while start < values.count {
            let chunk = values[start..<min(start + Int(HV_KVM_MAX_MSRS), values.count)]
            var table = hv_kvm_msrs()
            table.nmsrs = UInt32(chunk.count)
            // Sound: the tuple is HV_KVM_MAX_MSRS entries in a row, and the chunk has no more.
            withUnsafeMutableBytes(of: &table.entries) { bytes in
                let entries = bytes.bindMemory(to: kvm_msr_entry.self)
                for (place, (index, value)) in chunk.enumerated() {
                    entries[place] = kvm_msr_entry(index: index, reserved: 0, data: value)
                }
            }
            guard try descriptor.ioctl(request, &table) == chunk.count else { throw Errno(EINVAL) }
            withUnsafeBytes(of: &table.entries) { bytes in
                results += bytes.bindMemory(to: kvm_msr_entry.self).prefix(chunk.count).map(\.data)
            }
            start += chunk.count
        }
        return results
    }
}
