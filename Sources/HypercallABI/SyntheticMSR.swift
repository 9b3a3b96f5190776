/// The model specific registers of the hypervisor's that have a name here (TLFS, "Hypercall Interface",
/// "Inter-Partition Communication" and "Timers"), by number.
package enum SyntheticMSR: UInt32, CaseIterable, Sendable {
    case guestOsId = 0x4000_0000, hypercall, vpIndex, reset
    case vpRuntime = 0x4000_0010
    case timeRefCount = 0x4000_0020, referenceTsc, tscFrequency, apicFrequency
    case eoi = 0x4000_0070, icr, tpr, vpAssistPage
    case scontrol = 0x4000_0080, sversion, siefp, simp, eom, sirbp
    case sint0 = 0x4000_0090, sint1, sint2, sint3, sint4, sint5, sint6, sint7, sint8, sint9, sint10, sint11, sint12
    case sint13 = 0x4000_009D, sint14, sint15
    case stimer0Config = 0x4000_00B0, stimer0Count, stimer1Config, stimer1Count, stimer2Config, stimer2Count
    case stimer3Config = 0x4000_00B6, stimer3Count
    case guestIdle = 0x4000_00F0
    case crashP0 = 0x4000_0100, crashP1, crashP2, crashP3, crashP4, crashCtl, reenlightenmentControl
    case tscEmulationControl = 0x4000_0107, tscEmulationStatus
    case tscInvariantControl = 0x4000_0118
    case nestedScontrol = 0x4000_1080, nestedSversion, nestedSiefp, nestedSimp, nestedEom
    case nestedSint0 = 0x4000_1090
}

extension SyntheticMSR {
    /// How HYPERCALL, REFERENCE_TSC, VP_ASSIST_PAGE, SIEFP, SIMP and SIRBP are written: bit 0 and the page's number.
    package static let pageEnabled: UInt64 = 1
    package static let pageMask: UInt64 = 0xFFFF_FFFF_FFFF_F000
    /// SINTn: the vector in bits 0 to 7.
    package static let sintMasked: UInt64 = 1 << 16
    package static let sintAutoEOI: UInt64 = 1 << 17
    package static let sintPolling: UInt64 = 1 << 18
}
