/// The four registers that a CPUID leaf answers with.
package struct CPUIDRegisters: Hashable, Sendable {
    package var eax, ebx, ecx, edx: UInt32

    package static let zero = CPUIDRegisters(eax: 0, ebx: 0, ecx: 0, edx: 0)

    package init(eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0) {
        self.eax = eax
        self.ebx = ebx
        self.ecx = ecx
        self.edx = edx
    }
}

/// The leaves by which the Microsoft hypervisor describes itself (TLFS, "Feature and Interface Discovery").
package enum HypervisorLeaf {
    /// ECX bit 31 of leaf 1: something runs below the operating system.
    package static let processorFeatures: UInt32 = 0x0000_0001
    package static let hypervisorPresent: UInt32 = 1 << 31

    package static let vendorAndMaximum: UInt32 = 0x4000_0000
    package static let interface: UInt32 = 0x4000_0001
    package static let version: UInt32 = 0x4000_0002
    package static let features: UInt32 = 0x4000_0003
    package static let recommendations: UInt32 = 0x4000_0004
    package static let limits: UInt32 = 0x4000_0005
    package static let hardwareFeatures: UInt32 = 0x4000_0006
    package static let cpuManagement: UInt32 = 0x4000_0007
    package static let svmFeatures: UInt32 = 0x4000_0008
    package static let nestedSkipLevelFeatures: UInt32 = 0x4000_0009
    package static let nestedFeatures: UInt32 = 0x4000_000A
    package static let iptFeatures: UInt32 = 0x4000_000B
    package static let isolation: UInt32 = 0x4000_000C
    package static let virtualizationStackVendor: UInt32 = 0x4000_0080
    package static let virtualizationStackInterface: UInt32 = 0x4000_0081
    package static let virtualizationStackProperties: UInt32 = 0x4000_0082

    /// What Linux asks `vendorAndMaximum` to have in EAX, at least and at most.
    package static let acceptedMaximum: ClosedRange<UInt32> = 0x4000_0005...0x4000_FFFF
    /// "Microsoft Hv" in EBX, ECX and EDX.
    package static let microsoft: (ebx: UInt32, ecx: UInt32, edx: UInt32) = (0x7263_694D, 0x666F_736F, 0x7648_2074)
    /// "Hv#1": the interface of the specification.
    package static let hv1: UInt32 = 0x3123_7648
    /// "VS#1".
    package static let vs1: UInt32 = 0x3123_5356
}

/// The version of the hypervisor (leaf 0x40000002).
package struct HypervisorVersion: Hashable, Sendable, CustomStringConvertible {
    package var major: UInt16
    package var minor: UInt16
    package var build: UInt32
    package var servicePack: UInt32
    package var serviceNumber: UInt32
    package var serviceBranch: UInt8

    package init(_ leaf: CPUIDRegisters) {
        major = UInt16(truncatingIfNeeded: leaf.ebx >> 16)
        minor = UInt16(truncatingIfNeeded: leaf.ebx)
        build = leaf.eax
        servicePack = leaf.ecx
        serviceNumber = leaf.edx & 0xFF_FFFF
        serviceBranch = UInt8(leaf.edx >> 24)
    }

    /// "10.0.27744.1000-1".
    package var description: String { "\(major).\(minor).\(build).\(serviceNumber)-\(serviceBranch)" }
}

/// What runs below this operating system, and as what it runs this operating system.
package struct HypervisorIdentity: Hashable, Sendable {
    package enum Role: String, Sendable {
        /// The root partition: it manages partitions and the machine's processors.
        case root
        /// A guest that may make partitions of its own, which run beside it (L1VH).
        case l1vh
        /// A partition that can make none, or an isolated one.
        case guest
        /// A hypervisor other than Microsoft's, or one that does not speak the specification's interface.
        case foreign
    }

    /// The 12 characters of the vendor; what is not printable ASCII is a "?", and zeros at the end are left out.
    package var vendor: String
    package var role: Role
    /// Nil for a foreign hypervisor, as what follows is empty for it.
    package var version: HypervisorVersion?
    package var privileges = CPUIDBits<PartitionPrivilege>(rawValue: 0)
    package var features = CPUIDBits<HypervisorFeature>(rawValue: 0)
    package var recommendations = CPUIDBits<HypervisorRecommendation>(rawValue: 0)
    package var hardware = CPUIDBits<HypervisorHardwareFeature>(rawValue: 0)
    /// The most VPs a partition may have, and the most logical processors; 0 says nothing.
    package var maximumVPs: UInt32 = 0
    package var maximumLogicalProcessors: UInt32 = 0

    /// Whether the hypervisor itself runs on another one.
    package var isNested: Bool { recommendations.contains(.nested) }

    /// The rule is that of the newest Linux: a partition that may make partitions and is not isolated is a root where
    /// it manages processors too, else L1VH.
    ///
    /// - Parameter leaves: answers CPUID for a leaf (subleaf 0).
    /// - Returns: nil on bare hardware.
    package init?(leaves: (UInt32) -> CPUIDRegisters) {
        guard leaves(HypervisorLeaf.processorFeatures).ecx & HypervisorLeaf.hypervisorPresent != 0 else { return nil }
        let first = leaves(HypervisorLeaf.vendorAndMaximum)
        vendor = Self.text([first.ebx, first.ecx, first.edx])
        guard (first.ebx, first.ecx, first.edx) == HypervisorLeaf.microsoft,
            HypervisorLeaf.acceptedMaximum.contains(first.eax),
            leaves(HypervisorLeaf.interface).eax == HypervisorLeaf.hv1
        else {
            role = .foreign
            return
        }
        version = HypervisorVersion(leaves(HypervisorLeaf.version))
        let second = leaves(HypervisorLeaf.features)
        privileges = CPUIDBits(rawValue: UInt64(second.ebx) << 32 | UInt64(second.eax))
        features = CPUIDBits(rawValue: UInt64(second.edx))
        recommendations = CPUIDBits(rawValue: UInt64(leaves(HypervisorLeaf.recommendations).eax))
        let limits = leaves(HypervisorLeaf.limits)
        maximumVPs = limits.eax
        maximumLogicalProcessors = limits.ebx
        if first.eax >= HypervisorLeaf.hardwareFeatures {
            hardware = CPUIDBits(rawValue: UInt64(leaves(HypervisorLeaf.hardwareFeatures).eax))
        }
        if !privileges.contains(.createPartitions) || privileges.contains(.isolation) {
            role = .guest
        } else {
            role = privileges.contains(.cpuManagement) ? .root : .l1vh
        }
    }

    private static func text(_ words: [UInt32]) -> String {
        var bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        while bytes.last == 0 { bytes.removeLast() }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
