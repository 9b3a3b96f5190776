import HypercallABI
import Hypervisor
import LinuxSystem

/// State that is no register, as HvCallGetVpState has it.
///
/// - An unknown type is `invalidParameter`, as are flags for the XSAVE area and pages for a state that is not in
///   pages. The XSAVE components that are asked for are not looked at: all there are are given.
/// - Pages are the root's. The data fill them one after the other, and what remains of the last one is zero. Too few of
///   them are `insufficientBuffer`, more than needed are left alone. A page that is not root memory, or can't be
///   touched, is `invalidParameter`, a deposited one `operationDenied`.
/// - The synthetic timers are 200 bytes of the call itself: 25 words in the input's variable header. Fewer are
///   `insufficientBuffer`, more are `invalidParameter`, as are reserved bits in them.
/// - Setting the XSAVE area takes as many bytes as reading it gives.
extension EmbeddedVP {
    func state(
        _ input: VPStateInput, pages: [UInt64], root: RootMemory
    ) throws(HypercallStatus) -> SyntheticTimersState? {
        try Self.check(input)
        if input.type == .syntheticTimers {
            guard pages.isEmpty else { throw HypercallStatus.invalidParameter }
            return try withRecord { record throws(HypercallStatus) in record.timers }
        }
        var bytes = try pagedState(input.type)
        let count = try Self.needed(bytes.count, of: pages, root)
        bytes += [UInt8](repeating: 0, count: count * pageSize - bytes.count)
        let isCopied = bytes.withUnsafeBytes { buffer in
            (0..<count).allSatisfy { index in
                let part = UnsafeRawBufferPointer(rebasing: buffer[(index * pageSize)..<((index + 1) * pageSize)])
                return (try? OwnMemory.write(pages[index] * UInt64(pageSize), from: part)) != nil
            }
        }
        guard isCopied else { throw HypercallStatus.invalidParameter }
        return nil
    }

    func setState(_ input: VPStateInput, header: [UInt64], root: RootMemory) throws(HypercallStatus) {
        try Self.check(input)
        if input.type == .syntheticTimers {
            let timers = try Self.timers(header)
            return try withRecord { record throws(HypercallStatus) in record.timers = timers }
        }
        let size = input.type == .xsave ? try pagedState(.xsave).count : pageSize
        let count = try Self.needed(size, of: header, root)
        var bytes = [UInt8](repeating: 0, count: count * pageSize)
        let isCopied = bytes.withUnsafeMutableBytes { buffer in
            (0..<count).allSatisfy { index in
                let part = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[(index * pageSize)..<((index + 1) * pageSize)])
                return (try? OwnMemory.read(header[index] * UInt64(pageSize), into: part)) != nil
            }
        }
        guard isCopied else { throw HypercallStatus.invalidParameter }
        bytes.removeLast(bytes.count - size)
        switch input.type {
        case .simPage: try withRecord { record throws(HypercallStatus) in record.simPage = bytes }
        case .siefPage: try withRecord { record throws(HypercallStatus) in record.siefPage = bytes }
        default: try setEngineState(input.type == .xsave ? .xsave : .localAPIC, bytes)
        }
    }

    private static func check(_ input: VPStateInput) throws(HypercallStatus) {
        switch input.type {
        case .localAPIC, .simPage, .siefPage, .syntheticTimers: return
        case .xsave: guard input.xsaveFlags == 0 else { throw HypercallStatus.invalidParameter }
        default: throw HypercallStatus.invalidParameter
        }
    }

    private static func timers(_ words: [UInt64]) throws(HypercallStatus) -> SyntheticTimersState {
        let count = SyntheticTimersState.size / 8
        guard words.count >= count else { throw HypercallStatus.insufficientBuffer }
        guard words.count == count else { throw HypercallStatus.invalidParameter }
        return try words.withUnsafeBytes { bytes -> Result<SyntheticTimersState, HypercallStatus> in
            do throws(HypercallStatus) {
                return .success(try SyntheticTimersState(decoding: ByteReader(bytes)))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    /// How many of the pages some bytes need; these are checked.
    private static func needed(_ bytes: Int, of pages: [UInt64], _ root: RootMemory) throws(HypercallStatus) -> Int {
        let count = (bytes + pageSize - 1) / pageSize
        guard pages.count >= count else { throw HypercallStatus.insufficientBuffer }
        for page in pages.prefix(count) {
            let status = root.checkUse(of: page)
            if status != .success { throw status }
        }
        return count
    }

    /// The bytes of a state that is in pages: a whole page but for the XSAVE area.
    private func pagedState(_ type: VPStateType) throws(HypercallStatus) -> [UInt8] {
        let zero = [UInt8](repeating: 0, count: pageSize)
        switch type {
        case .simPage: return try withRecord { record throws(HypercallStatus) in record.simPage ?? zero }
        case .siefPage: return try withRecord { record throws(HypercallStatus) in record.siefPage ?? zero }
        case .xsave: return try engineState(.xsave)
        default:
            let registers = try engineState(.localAPIC)
            return Array((registers + zero).prefix(pageSize))
        }
    }

    private func engineState(_ component: EngineStateComponent) throws(HypercallStatus) -> [UInt8] {
        let answer = access { processor -> Result<[UInt8], HypercallStatus> in
            do throws(HypercallStatus) {
                return .success(try processor.state(component))
            } catch {
                return .failure(error)
            }
        }
        guard let answer else { throw HypercallStatus.invalidVpIndex }
        return try answer.get()
    }

    private func setEngineState(_ component: EngineStateComponent, _ bytes: [UInt8]) throws(HypercallStatus) {
        let answer = access { processor -> Result<Void, HypercallStatus> in
            do throws(HypercallStatus) {
                return .success(try processor.setState(component, bytes))
            } catch {
                return .failure(error)
            }
        }
        guard let answer else { throw HypercallStatus.invalidVpIndex }
        try answer.get()
    }

    // MARK: CPUID

    /// What CPUID gives now. The engine's own result, with what was registered only where that is asked for.
    func cpuid(_ leaf: CPUIDLeaf, applyingResults: Bool) throws(HypercallStatus) -> CPUIDRegisters {
        let answer = access { processor -> Result<CPUIDRegisters, HypercallStatus> in
            do throws(HypercallStatus) {
                return .success(try processor.cpuid(leaf: leaf.leaf, subleaf: leaf.subleaf))
            } catch {
                return .failure(error)
            }
        }
        guard let answer else { throw HypercallStatus.invalidVpIndex }
        let result = try answer.get()
        let computed = CPUIDRegisters(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
        guard applyingResults else { return computed }
        return try withRecord { record throws(HypercallStatus) in
            record.applyingResults(to: computed, leaf: leaf.leaf, subleaf: leaf.subleaf)
        }
    }

    /// - Throws: `noResources` for more than the hypervisor keeps, `invalidParameter` for unknown accesses to an MSR.
    func register(_ result: RegisterInterceptResultInput.Parameters) throws(HypercallStatus) {
        switch result {
        case .msr(let msr):
            guard !msr.access.isEmpty, msr.access.isSubset(of: [.read, .write]) else {
                throw HypercallStatus.invalidParameter
            }
            guard try withRecord({ record throws(HypercallStatus) in record.register(msr) }) else {
                throw HypercallStatus.noResources
            }
        case .cpuid(let cpuid):
            let all = try withRecord { record throws(HypercallStatus) in
                guard record.register(cpuid) else { throw HypercallStatus.noResources }
                return record.cpuidResults
            }
            _ = access { $0.setCPUIDResults(all) }
        }
    }
}
