/// How an address is translated (HV_TRANSLATE_GVA_CONTROL_FLAGS), without the trust level in the top byte.
package struct TranslateGVAFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let validateRead = TranslateGVAFlags(rawValue: 0x1)
    package static let validateWrite = TranslateGVAFlags(rawValue: 0x2)
    package static let validateExecute = TranslateGVAFlags(rawValue: 0x4)
    /// User and supervisor are not told apart, SMEP and SMAP are off.
    package static let privilegeExempt = TranslateGVAFlags(rawValue: 0x8)
    /// Accessed and dirty bits are set as an access would.
    package static let setPageTableBits = TranslateGVAFlags(rawValue: 0x10)
    package static let tlbFlushInhibit = TranslateGVAFlags(rawValue: 0x20)
    package static let supervisorAccess = TranslateGVAFlags(rawValue: 0x40)
    package static let userAccess = TranslateGVAFlags(rawValue: 0x80)
    /// SMAP counts also with RFLAGS.AC.
    package static let enforceSMAP = TranslateGVAFlags(rawValue: 0x100)
    /// SMAP does not count.
    package static let overrideSMAP = TranslateGVAFlags(rawValue: 0x200)
    package static let shadowStack = TranslateGVAFlags(rawValue: 0x400)
    /// Every bit with a meaning.
    package static let known = TranslateGVAFlags(rawValue: 0x7FF)
}

/// HvCallTranslateVirtualAddress and HvCallTranslateVirtualAddressEx: the input.
package struct TranslateGVAInput: HypercallStructure, Hashable {
    package static let size = 32

    package var partition: PartitionID
    package var index: VPIndex
    package var flags: TranslateGVAFlags
    package var vtl: InputVTL
    /// The virtual address without its last 12 bits.
    package var gvaPage: UInt64

    package init(
        partition: PartitionID, index: VPIndex, flags: TranslateGVAFlags, vtl: InputVTL = .current, gvaPage: UInt64
    ) {
        self.partition = partition
        self.index = index
        self.flags = flags
        self.vtl = vtl
        self.gvaPage = gvaPage
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        try bytes.requireZero(UInt32.self, at: 12)
        let control = try bytes.read(UInt64.self, at: 16)
        flags = TranslateGVAFlags(rawValue: control & 0x00FF_FFFF_FFFF_FFFF)
        vtl = try InputVTL(rawValue: UInt8(control >> 56))
        gvaPage = try bytes.read(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(flags.rawValue & 0x00FF_FFFF_FFFF_FFFF | UInt64(vtl.rawValue) << 56, at: 16)
        try bytes.write(gvaPage, at: 24)
    }
}

/// How a translation ended (HV_TRANSLATE_GVA_RESULT_CODE). Unknown codes survive a round trip.
package struct TranslateGVAResult: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let success = TranslateGVAResult(rawValue: 0)
    package static let pageNotPresent = TranslateGVAResult(rawValue: 1)
    package static let privilegeViolation = TranslateGVAResult(rawValue: 2)
    package static let invalidPageTableFlags = TranslateGVAResult(rawValue: 3)
    package static let gpaUnmapped = TranslateGVAResult(rawValue: 4)
    package static let gpaNoReadAccess = TranslateGVAResult(rawValue: 5)
    package static let gpaNoWriteAccess = TranslateGVAResult(rawValue: 6)
    package static let gpaIllegalOverlayAccess = TranslateGVAResult(rawValue: 7)
    package static let intercept = TranslateGVAResult(rawValue: 8)
    package static let gpaUnaccepted = TranslateGVAResult(rawValue: 9)
}

/// HvCallTranslateVirtualAddress: the output.
package struct TranslateGVAOutput: HypercallStructure, Hashable {
    package static let size = 16
    /// HvCallTranslateVirtualAddressEx puts 40 bytes about the exception between result and page.
    package static let extendedSize = 56

    package var result: TranslateGVAResult
    /// HV_CACHE_TYPE, as the page attribute table says.
    package var cacheType: UInt8
    package var isOverlayPage: Bool
    package var gpaPage: UInt64

    package init(result: TranslateGVAResult, cacheType: UInt8 = 0, isOverlayPage: Bool = false, gpaPage: UInt64 = 0) {
        self.result = result
        self.cacheType = cacheType
        self.isOverlayPage = isOverlayPage
        self.gpaPage = gpaPage
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) { try self.init(bytes, pageAt: 8) }

    package init(decodingExtended bytes: ByteReader) throws(HypercallStatus) { try self.init(bytes, pageAt: 48) }

    private init(_ bytes: ByteReader, pageAt offset: Int) throws(HypercallStatus) {
        result = TranslateGVAResult(rawValue: try bytes.read(UInt32.self, at: 0))
        cacheType = try bytes.read(UInt8.self, at: 4)
        isOverlayPage = try bytes.read(UInt8.self, at: 5) & 1 != 0
        gpaPage = try bytes.read(UInt64.self, at: offset)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try encodeResult(into: bytes)
        try bytes.write(gpaPage, at: 8)
    }

    /// Without anything about an exception.
    package func encodeExtended(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.extendedSize)
        try encodeResult(into: bytes)
        try bytes.write(gpaPage, at: 48)
    }

    private func encodeResult(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(result.rawValue, at: 0)
        try bytes.write(cacheType, at: 4)
        try bytes.write(isOverlayPage ? 1 : 0 as UInt8, at: 5)
    }
}
