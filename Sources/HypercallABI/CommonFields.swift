/// Where memory should come from (HV_PROXIMITY_DOMAIN_INFO, TLFS, "Guest Physical Address Spaces").
package struct ProximityDomainInfo: HypercallStructure, Hashable {
    package static let size = 8

    /// The ACPI proximity domain.
    package var domain: UInt32
    /// Whether `domain` is preferred only, and memory of others will do.
    package var isPreferred: Bool
    /// Whether the rest has a meaning at all.
    package var isValid: Bool

    /// No wish.
    package static let none = ProximityDomainInfo(domain: 0, isPreferred: false, isValid: false)

    package init(domain: UInt32, isPreferred: Bool, isValid: Bool) {
        self.domain = domain
        self.isPreferred = isPreferred
        self.isValid = isValid
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        domain = try bytes.read(UInt32.self, at: 0)
        let flags = try bytes.read(UInt32.self, at: 4)
        guard flags & 0x7FFF_FFFE == 0 else { throw HypercallStatus.invalidProximityDomainInfo }
        isPreferred = flags & 1 != 0
        isValid = flags & 0x8000_0000 != 0
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(domain, at: 0)
        try bytes.write((isPreferred ? 1 : 0) | (isValid ? 0x8000_0000 : 0) as UInt32, at: 4)
    }
}

/// Which virtual trust level a call means (HV_INPUT_VTL, TLFS, "Virtual Secure Mode").
package struct InputVTL: Hashable, Sendable {
    /// 0...15; taken only where `usesTarget`.
    package var target: UInt8
    package var usesTarget: Bool

    /// The level of the caller, which is the only one here.
    package static let current = InputVTL(target: 0, usesTarget: false)

    package init(target: UInt8, usesTarget: Bool) {
        self.target = target & 0xF
        self.usesTarget = usesTarget
    }

    /// - Throws: `invalidParameter` for reserved bits that are not zero.
    package init(rawValue: UInt8) throws(HypercallStatus) {
        guard rawValue & 0xE0 == 0 else { throw HypercallStatus.invalidParameter }
        self.init(target: rawValue, usesTarget: rawValue & 0x10 != 0)
    }

    package var rawValue: UInt8 { target | (usesTarget ? 0x10 : 0) }
}

/// How a partition is shielded from its host (HV_PARTITION_ISOLATION_PROPERTIES).
package struct IsolationProperties: HypercallStructure, Hashable {
    package static let size = 8

    /// 0 none, 1 VBS, 2 SNP, 3 TDX.
    package var type: UInt8
    /// 0 none, 1 hardware.
    package var hostType: UInt8
    package var sharedGPABoundaryPage: UInt64

    /// No isolation.
    package static let none = IsolationProperties(type: 0, hostType: 0, sharedGPABoundaryPage: 0)

    package init(type: UInt8, hostType: UInt8, sharedGPABoundaryPage: UInt64) {
        self.type = type & 0x1F
        self.hostType = hostType & 0x3
        self.sharedGPABoundaryPage = sharedGPABoundaryPage & 0xF_FFFF_FFFF_FFFF
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let value = try bytes.read(UInt64.self, at: 0)
        guard value & 0xF80 == 0 else { throw HypercallStatus.invalidParameter }
        self.init(
            type: UInt8(truncatingIfNeeded: value & 0x1F), hostType: UInt8(truncatingIfNeeded: value >> 5 & 0x3),
            sharedGPABoundaryPage: value >> 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(UInt64(type) | UInt64(hostType) << 5 | sharedGPABoundaryPage << 12, at: 0)
    }
}
