import HypercallABI

/// What the host's processors are, as the properties of partitions tell it: read from CPUID once.
///
/// Where the engine says what it can give a guest, that counts and not the processor itself. A feature that the table
/// does not find in CPUID (those that are bits of MSRs, and nested virtualization, which no engine here has) is absent.
package struct HostProcessor: Sendable, Equatable {
    /// HV_PROCESSOR_VENDOR: 0 AMD, 1 Intel, 2 Hygon.
    package var vendor: UInt64
    /// HV_PARTITION_PROCESSOR_FEATURES, two banks: set bits are there.
    package var features0: UInt64
    package var features1: UInt64
    /// HV_PARTITION_PROCESSOR_XSAVE_FEATURES: set bits are there.
    package var xsaveFeatures: UInt64
    /// The state components that XCR0 and IA32_XSS can have.
    package var xsaveStates: UInt64
    /// Bytes of the largest XSAVE area, in the standard and in the compacted format.
    package var maximumXsaveSize: UInt64
    /// log2 of the bytes that CLFLUSH flushes.
    package var cacheLineFlushShift: UInt64
    package var physicalAddressBits: UInt64
    /// Hz.
    package var clockFrequency: UInt64

    /// - Parameters:
    ///   - clockFrequency: in Hz, where CPUID does not tell.
    ///   - cpuid: answers CPUID for a leaf and a subleaf.
    package init(clockFrequency: UInt64, cpuid: (UInt32, UInt32) -> CPUIDRegisters) {
        let ranges = Ranges(cpuid)
        func leaf(_ leaf: UInt32, _ subleaf: UInt32 = 0) -> CPUIDRegisters {
            ranges.contains(leaf) ? cpuid(leaf, subleaf) : .zero
        }
        func bits(_ sources: [HostFeature]) -> UInt64 {
            sources.reduce(0) { found, feature in
                leaf(feature.leaf, feature.subleaf)[feature.register] & 1 << feature.bit != 0
                    ? found | 1 << UInt64(feature.position) : found
            }
        }
        let first = cpuid(0, 0)
        vendor = first.ebx == 0x756E_6547 ? 1 : first.ebx == 0x6F67_7948 ? 2 : 0
        features0 = bits(HostFeature.bank0)
        features1 = bits(HostFeature.bank1)
        xsaveFeatures = bits(HostFeature.xsave)

        let user = leaf(0xD, 0)
        let extended = leaf(0xD, 1)
        let userStates = UInt64(user.edx) << 32 | UInt64(user.eax)
        let supervisorStates = extended.eax & 1 << 3 == 0 ? 0 : UInt64(extended.edx) << 32 | UInt64(extended.ecx)
        let hasXsave = xsaveFeatures & 1 != 0
        xsaveStates = hasXsave ? userStates | supervisorStates : 0
        // Legacy area and header, then each component; one whose bit 1 of ECX is set begins at a multiple of 64.
        var compacted: UInt64 = 576
        for component: UInt32 in 2..<63 where xsaveStates & 1 << UInt64(component) != 0 {
            let part = leaf(0xD, component)
            if part.ecx & 2 != 0 { compacted = (compacted + 63) & ~63 }
            compacted += UInt64(part.eax)
        }
        maximumXsaveSize = hasXsave ? max(UInt64(user.ecx), compacted) : 512

        let units = UInt64(leaf(1).ebx >> 8 & 0xFF)
        cacheLineFlushShift = units == 0 ? 6 : UInt64((8 * units).trailingZeroBitCount)
        let width = UInt64(leaf(0x8000_0008).eax & 0xFF)
        physicalAddressBits = width == 0 ? 36 : min(width, 52)

        // Crystal clock times ratio; else what an underlying hypervisor says of the TSC, in kHz.
        let crystal = leaf(0x15)
        let underlying = cpuid(0x4000_0000, 0).eax
        if crystal.eax != 0, crystal.ebx != 0, crystal.ecx != 0 {
            self.clockFrequency = UInt64(crystal.ecx) * UInt64(crystal.ebx) / UInt64(crystal.eax)
        } else if leaf(1).ecx & 1 << 31 != 0, (0x4000_0010...0x4000_FFFF).contains(underlying),
            cpuid(0x4000_0010, 0).eax != 0
        {
            self.clockFrequency = UInt64(cpuid(0x4000_0010, 0).eax) * 1000
        } else {
            self.clockFrequency = clockFrequency
        }
    }

    /// The leaves there are: others would give those of another leaf.
    private struct Ranges {
        let standard: UInt32
        let extended: UInt32

        init(_ cpuid: (UInt32, UInt32) -> CPUIDRegisters) {
            standard = cpuid(0, 0).eax
            extended = cpuid(0x8000_0000, 0).eax
        }

        func contains(_ leaf: UInt32) -> Bool {
            leaf < 0x8000_0000 ? leaf <= standard : (0x8000_0000...0x8000_FFFF).contains(extended) && leaf <= extended
        }
    }
}

/// Which of the four registers.
enum CPUIDRegister: Sendable {
    case eax, ebx, ecx, edx
}

extension CPUIDRegisters {
    fileprivate subscript(register: CPUIDRegister) -> UInt32 {
        switch register {
        case .eax: eax
        case .ebx: ebx
        case .ecx: ecx
        case .edx: edx
        }
    }
}
