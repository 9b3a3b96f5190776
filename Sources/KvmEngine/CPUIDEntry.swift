import CLinux
import HypercallABI
import LinuxSystem

/// One leaf (and subleaf) of CPUID as KVM keeps it.
struct CPUIDEntry: Equatable, Sendable {
    var function: UInt32
    var index: UInt32 = 0
    /// KVM_CPUID_FLAG_SIGNIFCANT_INDEX: the subleaf matters.
    var flags: UInt32 = 0
    var eax: UInt32 = 0
    var ebx: UInt32 = 0
    var ecx: UInt32 = 0
    var edx: UInt32 = 0
}

extension CPUIDEntry {
    /// What this kernel and processor can give a guest.
    static func supported(by device: borrowing FileDescriptor) throws(Errno) -> [CPUIDEntry] {
        try read(HV_KVM_GET_SUPPORTED_CPUID, of: device)
    }

    /// - Parameter request: one that fills a table.
    static func read(_ request: UInt, of file: borrowing FileDescriptor) throws(Errno) -> [CPUIDEntry] {
        var table = hv_kvm_cpuid()
        table.nent = UInt32(HV_KVM_MAX_CPUID)
        try file.ioctl(request, &table)
        let count = min(Int(table.nent), Int(HV_KVM_MAX_CPUID))
        // Sound: the tuple is HV_KVM_MAX_CPUID entries in a row.
        return withUnsafeBytes(of: &table.entries) { bytes in
            bytes.bindMemory(to: kvm_cpuid_entry2.self).prefix(count).map {
                CPUIDEntry(
                    function: $0.function, index: $0.index, flags: $0.flags, eax: $0.eax, ebx: $0.ebx, ecx: $0.ecx,
                    edx: $0.edx)
            }
        }
    }

    /// Makes `entries` the processor's CPUID, before it runs for the first time.
    static func set(_ entries: [CPUIDEntry], on vcpu: borrowing FileDescriptor) throws(Errno) {
        guard entries.count <= Int(HV_KVM_MAX_CPUID) else { throw Errno(E2BIG) }
        var table = hv_kvm_cpuid()
        table.nent = UInt32(entries.count)
        // Sound: as above, and there are no more entries than that.
        withUnsafeMutableBytes(of: &table.entries) { bytes in
            let target = bytes.bindMemory(to: kvm_cpuid_entry2.self)
            for (place, entry) in entries.enumerated() {
                target[place] = kvm_cpuid_entry2(
                    function: entry.function, index: entry.index, flags: entry.flags, eax: entry.eax, ebx: entry.ebx,
                    ecx: entry.ecx, edx: entry.edx, padding: (0, 0, 0))
            }
        }
        try vcpu.ioctl(HV_KVM_SET_CPUID2, &table)
    }
}

extension KvmEngine {
    /// Leaves that the kernel does not list are empty.
    package func supportedCPUID(leaf: UInt32, subleaf: UInt32) -> CPUIDRegisters? {
        let entry = supportedCPUID.first {
            $0.function == leaf && ($0.flags & UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX) == 0 || $0.index == subleaf)
        }
        return entry.map { CPUIDRegisters(eax: $0.eax, ebx: $0.ebx, ecx: $0.ecx, edx: $0.edx) } ?? .zero
    }
}

extension CPUIDEntry {
    /// The CPUID of one processor of a partition: one socket of `vpCount` cores with a thread each, APIC id = number.
    ///
    /// Away goes what this machine does not have: performance counters, MONITOR and MWAIT, nested virtualization.
    /// KVM's own leaves (0x4000_0000) stay: without PIT and HPET the guest needs their clock.
    static func forProcessor(
        _ processor: VPIndex, of vpCount: Int, supported: [CPUIDEntry], hasTSCDeadlineTimer: Bool
    ) -> [CPUIDEntry] {
        let topology = Topology(apicID: processor, count: UInt32(clamping: vpCount))
        let isAMD = supported.first { $0.function == 0 }.map(Self.namesAMD) ?? false
        var entries: [CPUIDEntry] = []
        for var entry in supported {
            // Written anew below: KVM gives them with the host's topology, or with one subleaf only.
            if entry.function == 0xB || entry.function == 0x1F { continue }
            entry.apply(topology, isAMD: isAMD, hasTSCDeadlineTimer: hasTSCDeadlineTimer)
            entries.append(entry)
        }
        let highest = supported.first { $0.function == 0 }?.eax ?? 0
        for leaf: UInt32 in [0xB, 0x1F] where leaf <= highest { entries += topology.extendedLeaf(leaf) }
        return entries
    }

    private mutating func apply(_ topology: Topology, isAMD: Bool, hasTSCDeadlineTimer: Bool) {
        switch function {
        case 0x1:
            // APIC id, number of logical processor ids, HTT where there are several.
            ebx = ebx & 0x0000_FFFF | topology.apicID << 24 | topology.idCount << 16
            edx = topology.count > 1 ? edx | 1 << 28 : edx & ~(1 << 28)
            // x2APIC and "there is a hypervisor"; without MONITOR (3), VMX (5) and PDCM (15).
            ecx = (ecx | 1 << 21 | 1 << 31) & ~(1 << 3 | 1 << 5 | 1 << 15)
            ecx = hasTSCDeadlineTimer ? ecx | 1 << 24 : ecx & ~(1 << 24)
        case 0x4 where eax & 0x1F != 0:
            eax =
                eax & 0x3FFF | topology.sharing(cacheLevel: eax >> 5 & 7) << 14 | (min(topology.idCount, 64) - 1) << 26
        case 0x5, 0xA, 0x8000_0022:
            // MONITOR's line sizes; performance counters of Intel and of AMD.
            (eax, ebx, ecx, edx) = (0, 0, 0, 0)
        case 0x8000_0001:
            // Without SVM (2), MWAITX (29) and the additional performance counters (23, 24, 28).
            ecx &= ~(1 << 2 | 1 << 29 | 1 << 23 | 1 << 24 | 1 << 28)
            if isAMD {
                // CmpLegacy: "several cores", as older kernels ask for it.
                ecx = topology.count > 1 ? ecx | 1 << 1 : ecx & ~(1 << 1)
            }
        case 0x8000_0008 where isAMD:
            ecx = topology.idBits << 12 | (topology.count - 1)
        case 0x8000_000A:
            // What SVM could do.
            (eax, ebx, ecx, edx) = (0, 0, 0, 0)
        case 0x8000_001D where eax & 0x1F != 0:
            eax = eax & 0x3FFF | topology.sharing(cacheLevel: eax >> 5 & 7) << 14
        case 0x8000_001E where isAMD:
            // Extended APIC id, core id with one thread, the only node.
            (eax, ebx, ecx, edx) = (topology.apicID, topology.apicID & 0xFF, 0, 0)
        default:
            break
        }
    }

    /// "AuthenticAMD" or "HygonGenuine".
    private static func namesAMD(_ leaf: CPUIDEntry) -> Bool {
        leaf.ebx == 0x6874_7541 || leaf.ebx == 0x6F67_7948
    }
}

/// One socket of `count` cores, seen from one of them.
private struct Topology {
    var apicID: UInt32
    var count: UInt32

    init(apicID: UInt32, count: UInt32) {
        self.apicID = apicID
        self.count = min(max(count, 1), 254)
    }

    /// The bits of an APIC id that tell the core.
    var idBits: UInt32 { UInt32(32 - (count - 1).leadingZeroBitCount) }
    /// `count` rounded up to what the bits can tell, as far as 8 bits hold it.
    var idCount: UInt32 { min(1 << idBits, 255) }

    /// The processors that share a cache, less one: the first two levels are a core's own.
    func sharing(cacheLevel: UInt32) -> UInt32 { cacheLevel >= 3 ? (1 << idBits) - 1 : 0 }

    /// Extended topology (leaf 0xB, and 0x1F which has the same first levels): threads, cores, end.
    func extendedLeaf(_ leaf: UInt32) -> [CPUIDEntry] {
        func level(_ index: UInt32, type: UInt32, shift: UInt32, count: UInt32) -> CPUIDEntry {
            CPUIDEntry(
                function: leaf, index: index, flags: HV_KVM_CPUID_SIGNIFICANT_INDEX, eax: shift, ebx: count,
                ecx: type << 8 | index, edx: apicID)
        }
        return [
            level(0, type: 1, shift: 0, count: 1), level(1, type: 2, shift: idBits, count: count),
            level(2, type: 0, shift: 0, count: 0),
        ]
    }
}
