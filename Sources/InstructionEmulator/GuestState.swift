import HypercallABI

/// What an instruction sees and changes of its processor.
package struct GuestState: Equatable, Sendable {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the order of their numbers in instructions.
    package var general: [UInt64]
    package var rip: UInt64
    package var rflags: UInt64
    package var cs, ds, es, fs, gs, ss: SegmentRegister
    package var cr0: UInt64
    package var cr4: UInt64
    package var efer: UInt64
    /// XMM0 to XMM15.
    package var xmm: [RegisterValue]

    package init(
        general: [UInt64], rip: UInt64, rflags: UInt64, cs: SegmentRegister, ds: SegmentRegister, es: SegmentRegister,
        fs: SegmentRegister, gs: SegmentRegister, ss: SegmentRegister, cr0: UInt64, cr4: UInt64, efer: UInt64,
        xmm: [RegisterValue]
    ) {
        self.general = general
        self.rip = rip
        self.rflags = rflags
        self.cs = cs
        self.ds = ds
        self.es = es
        self.fs = fs
        self.gs = gs
        self.ss = ss
        self.cr0 = cr0
        self.cr4 = cr4
        self.efer = efer
        self.xmm = xmm
    }
}
