import CLinux
import HypercallABI
import LinuxSystem

/// Results that HvCallRegisterInterceptResult asks for, and what CPUID gives.
extension CPUIDEntry {
    /// What a processor has now.
    static func current(of vcpu: borrowing FileDescriptor) throws(Errno) -> [CPUIDEntry] {
        try read(HV_KVM_GET_CPUID2, of: vcpu)
    }

    /// What CPUID gives for a leaf; nil for one that is not there, which reads as zero.
    static func result(in entries: [CPUIDEntry], leaf: UInt32, subleaf: UInt32) -> CPUIDRegisters? {
        let entry = entries.first {
            $0.function == leaf && (!$0.isSubleafSignificant || $0.index == subleaf)
        }
        return entry.map { CPUIDRegisters(eax: $0.eax, ebx: $0.ebx, ecx: $0.ecx, edx: $0.edx) }
    }

    /// The entries with the results in their order. A leaf that is not there is added where a result always overrides.
    static func applying(_ results: [CPUIDResultParameters], to entries: [CPUIDEntry]) -> [CPUIDEntry] {
        var entries = entries
        for result in results {
            var isThere = false
            for place in entries.indices where entries[place].isMeant(by: result) {
                isThere = true
                guard result.alwaysOverrides || !entries[place].isZero else { continue }
                entries[place].apply(result)
            }
            guard !isThere, result.alwaysOverrides, entries.count < Int(HV_KVM_MAX_CPUID) else { continue }
            var entry = CPUIDEntry(
                function: result.leaf, index: result.isSubleafSpecific ? result.subleaf : 0,
                flags: result.isSubleafSpecific ? HV_KVM_CPUID_SIGNIFICANT_INDEX : 0)
            entry.apply(result)
            entries.append(entry)
        }
        return entries
    }

    private var isSubleafSignificant: Bool { flags & HV_KVM_CPUID_SIGNIFICANT_INDEX != 0 }
    private var isZero: Bool { eax | ebx | ecx | edx == 0 }

    private func isMeant(by result: CPUIDResultParameters) -> Bool {
        function == result.leaf
            && (!result.isSubleafSpecific || !isSubleafSignificant || index == result.subleaf)
    }

    private mutating func apply(_ result: CPUIDResultParameters) {
        func merged(_ own: UInt32, _ value: UInt32, _ mask: UInt32) -> UInt32 { own & ~mask | value & mask }
        eax = merged(eax, result.values.eax, result.masks.eax)
        ebx = merged(ebx, result.values.ebx, result.masks.ebx)
        ecx = merged(ecx, result.values.ecx, result.masks.ecx)
        edx = merged(edx, result.values.edx, result.masks.edx)
    }
}
