import HypercallABI
import HypercallCore
import Hypervisor

/// Intercepts (TLFS, "Intercepts"): which there are to ask for.
extension PartitionState {
    /// The engine says which it can do: `featureUnavailable` for the others.
    ///
    /// - Throws: `invalidParameter` for an unknown type, for accesses that the type does not have (port and MSR: read
    ///   and write; CPUID, exception and hypercall: execute; the others: any), and for a parameter that is none: a port
    ///   above 16 bits, a leaf or an MSR above 32, an exception above 31, a range of ports that ends before it begins
    ///   or is above 32 bits. The parameter of a type that has none is not looked at.
    func installIntercept(_ input: InstallInterceptInput) throws(HypercallStatus) {
        try requireActive()
        let parameter = input.parameter
        let access: InterceptAccessMask
        let isParameter: Bool
        switch input.type {
        case .ioPort: (access, isParameter) = ([.read, .write], parameter <= 0xFFFF)
        case .ioPortRange:
            (access, isParameter) = (
                [.read, .write], parameter <= 0xFFFF_FFFF && parameter & 0xFFFF <= parameter >> 16
            )
        case .msr: (access, isParameter) = ([.read, .write], true)
        case .msrIndex: (access, isParameter) = ([.read, .write], parameter <= 0xFFFF_FFFF)
        case .cpuid: (access, isParameter) = ([.execute], parameter <= 0xFFFF_FFFF)
        case .exception: (access, isParameter) = ([.execute], parameter <= 31)
        case .globalCPUID, .hypercall: (access, isParameter) = ([.execute], true)
        default: (access, isParameter) = (.known, InterceptType.known.contains(input.type))
        }
        guard isParameter, access.isSuperset(of: input.access) else { throw HypercallStatus.invalidParameter }
        guard let engine else { throw HypercallStatus.invalidPartitionState }
        try engine.installIntercept(
            type: input.type.rawValue, access: input.access.rawValue, parameter: parameter)
    }
}

/// Pages shared with the one who runs a processor.
extension PartitionState {
    /// There is one of each type for each processor. A page of the hypervisor's own costs one of the pool's, is zero,
    /// and is there until it is unmapped or the processor is deleted.
    ///
    /// - Throws: `invalidParameter` for an unknown type and for a page that is not root memory, `operationDenied` for
    ///   one that is deposited, `featureUnavailable` for the page of encrypted guests, `objectInUse` for one that is
    ///   there, `insufficientMemory`.
    mutating func mapStatePage(_ input: MapVPStatePageInput) throws(HypercallStatus) -> UInt64 {
        let processor = try processor(input.page.index)
        try Self.check(input.page.type)
        let type = input.page.type
        guard try processor.withRecord({ record throws(HypercallStatus) in record.statePages[type] == nil }) else {
            throw HypercallStatus.objectInUse
        }
        let page: SharedPage
        if let location = input.location {
            let status = root.checkUse(of: location)
            if status != .success { throw status }
            page = SharedPage(of: location)
        } else {
            guard pool.use(PageCosts.statePage) else { throw HypercallStatus.insufficientMemory }
            guard let own = try? SharedPage() else {
                pool.release(PageCosts.statePage)
                throw HypercallStatus.insufficientMemory
            }
            page = own
        }
        try processor.withRecord { record throws(HypercallStatus) in record.statePages[type] = page }
        return page.number
    }

    /// - Throws: `invalidParameter` for an unknown type, `featureUnavailable` as above, `notFound` for one that is not
    ///   there.
    mutating func unmapStatePage(_ input: UnmapVPStatePageInput) throws(HypercallStatus) {
        let processor = try processor(input.index)
        try Self.check(input.type)
        let page = try processor.withRecord { record throws(HypercallStatus) in
            record.statePages.removeValue(forKey: input.type)
        }
        guard let page else { throw HypercallStatus.notFound }
        if page.isOwn { pool.release(PageCosts.statePage) }
    }

    /// What a processor that is about to be deleted held of the pool beside its own cost.
    func statePageCost(of processor: EmbeddedVP) -> UInt64 {
        let pages = try? processor.withRecord { record throws(HypercallStatus) in
            UInt64(record.statePages.values.count { $0.isOwn })
        }
        return (pages ?? 0) * PageCosts.statePage
    }

    private static func check(_ type: VPStatePageType) throws(HypercallStatus) {
        switch type {
        case .registers, .interceptMessage: return
        case .ghcb: throw HypercallStatus.featureUnavailable
        default: throw HypercallStatus.invalidParameter
        }
    }
}

/// Page tables in the partition's memory.
extension PartitionState: PageTableMemory {
    func entry(at gpa: UInt64, size: Int) -> Result<UInt64, PageWalkStop> {
        guard gpa <= Limits.gpaEnd - UInt64(size) else { return .failure(PageWalkStop(.gpaUnmapped)) }
        var value: UInt64 = 0
        let result = withUnsafeMutableBytes(of: &value) { bytes in
            read(gpa, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]))
        }
        switch result {
        case .success: return .success(UInt64(littleEndian: value))
        case .readIntercept: return .failure(PageWalkStop(.gpaNoReadAccess))
        default: return .failure(PageWalkStop(.gpaUnmapped))
        }
    }

    mutating func setBits(_ bits: UInt8, at gpa: UInt64) -> PageWalkStop? {
        switch setBits(bits, at: gpa) as GPAAccessResult {
        case .success: nil
        case .writeIntercept: PageWalkStop(.gpaNoWriteAccess)
        default: PageWalkStop(.gpaUnmapped)
        }
    }
}
