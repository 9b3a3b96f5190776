import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// The calls about what a processor has beside its registers.
///
/// Each answers in this order: reserved fields and values without a meaning (`invalidParameter`), another trust level
/// than 0 (`invalidParameter`), the partition (`invalidPartitionId`, `invalidPartitionState`), the processor
/// (`invalidVpIndex`), and then what the call itself checks.
extension EmbeddedCore {
    /// There is only one trust level: `invalidParameter` for any other. The partition's lock is not held for what is
    /// done with the processor, since that may wait for it.
    func processor(
        _ index: VPIndex, of id: PartitionID, vtl: InputVTL = .current
    ) throws(HypercallStatus) -> EmbeddedVP {
        if vtl.usesTarget, vtl.target != 0 { throw HypercallStatus.invalidParameter }
        return try partition(id).with { state throws(HypercallStatus) in try state.processor(index) }
    }

    // MARK: Intercepts

    func installIntercept(_ input: InstallInterceptInput) throws(HypercallStatus) {
        try partition(input.partition).with { state throws(HypercallStatus) in try state.installIntercept(input) }
    }

    func registerInterceptResult(_ input: RegisterInterceptResultInput) throws(HypercallStatus) {
        try processor(input.index, of: input.partition).register(input.parameters)
    }

    // MARK: Addresses

    /// `invalidParameter` for unknown flags and for a page that is no page of 64-bit addresses; `featureUnavailable` for
    /// accesses to shadow stacks, and where the engine has none of the registers that a walk needs. Everything that is
    /// wrong with the address is in the result. The rules are those of `PageWalk`.
    func translateGVA(_ input: TranslateGVAInput) throws(HypercallStatus) -> TranslateGVAOutput {
        let processor = try processor(input.index, of: input.partition, vtl: input.vtl)
        guard TranslateGVAFlags.known.isSuperset(of: input.flags), input.gvaPage < 1 << 52 else {
            throw HypercallStatus.invalidParameter
        }
        if input.flags.contains(.shadowStack) { throw HypercallStatus.featureUnavailable }
        let walk = PageWalk(registers: try processor.walkRegisters(), flags: input.flags)
        return try partition(input.partition).with { state throws(HypercallStatus) in
            try state.requireActive()
            return walk.translate(input.gvaPage << 12, memory: &state)
        }
    }

    // MARK: State

    func getVPState(_ input: VPStateInput, header: [UInt64]) throws(HypercallStatus) -> SyntheticTimersState? {
        try processor(input.index, of: input.partition, vtl: input.vtl).state(input, pages: header, root: rootMemory)
    }

    func setVPState(_ input: VPStateInput, header: [UInt64]) throws(HypercallStatus) {
        try processor(input.index, of: input.partition, vtl: input.vtl).setState(
            input, header: header, root: rootMemory)
    }

    func mapVPStatePage(_ input: MapVPStatePageInput) throws(HypercallStatus) -> UInt64 {
        _ = try processor(input.page.index, of: input.page.partition, vtl: input.page.vtl)
        return try partition(input.page.partition).with { state throws(HypercallStatus) in
            try state.mapStatePage(input)
        }
    }

    func unmapVPStatePage(_ input: UnmapVPStatePageInput) throws(HypercallStatus) {
        _ = try processor(input.index, of: input.partition, vtl: input.vtl)
        try partition(input.partition).with { state throws(HypercallStatus) in try state.unmapStatePage(input) }
    }

    func getVPCPUIDValues(
        _ input: CPUIDValuesInput, leaves: [CPUIDLeaf]
    ) -> (values: [CPUIDRegisters], status: HypercallStatus) {
        var values: [CPUIDRegisters] = []
        do throws(HypercallStatus) {
            let processor = try processor(input.index, of: input.partition)
            for leaf in leaves {
                values.append(try processor.cpuid(leaf, applyingResults: input.appliesRegisteredResults))
            }
            return (values, .success)
        } catch {
            return (values, error)
        }
    }

    // MARK: Control

    /// `invalidParameter` for unknown flags; `featureUnavailable` for a time slice, which no engine keeps.
    ///
    /// With `clearInterceptSuspend` the intercept of the run before is over. Then, in this order: `ready` with
    /// `intercept` while one is not over; `blocked` with `suspend` while the processor or its partition is suspended;
    /// `ready` without event where it was cancelled; else it runs until one of these comes, or until it halts
    /// (`blocked` without event). All other flags are about a physical processor and change nothing here.
    func dispatchVP(_ input: DispatchVPInput) throws(HypercallStatus) -> DispatchVPOutput {
        let processor = try processor(input.index, of: input.partition)
        guard DispatchVPFlags.known.isSuperset(of: input.flags) else { throw HypercallStatus.invalidParameter }
        guard input.timeSlice == 0 else { throw HypercallStatus.featureUnavailable }
        return try processor.dispatch(input.flags)
    }

    /// `featureUnavailable` for a trust level above 0; `invalidVpState` for a processor that has run or was started.
    /// Registers that the engine refuses end it with the engine's status, and it may be tried again.
    func startVP(_ input: StartVPInput) throws(HypercallStatus) {
        let processor = try processor(input.index, of: input.partition)
        guard input.vtl.target == 0 else { throw HypercallStatus.featureUnavailable }
        guard processor.claimStart() else { throw HypercallStatus.invalidVpState }
        // Last: out of the wait for INIT and SIPI.
        let registers = input.context.registers + [RegisterAssociation(.internalActivityState, 0)]
        let outcome = processor.setRegisters(registers)
        if outcome.status != .success {
            processor.abandonStart()
            throw outcome.status
        }
    }

    /// `invalidParameter` for level 0, which is always there; `featureUnavailable` for any other.
    func enableVPVTL(_ input: StartVPInput) throws(HypercallStatus) {
        _ = try processor(input.index, of: input.partition)
        throw input.vtl.target == 0 ? HypercallStatus.invalidParameter : HypercallStatus.featureUnavailable
    }

    /// An APIC id is the processor's index; `invalidParameter` for one that no processor has, and the call is left there.
    func getVPIndices(
        _ input: VPIndexFromAPICIDInput, apicIDs: [UInt32]
    ) -> (indices: [VPIndex], status: HypercallStatus) {
        do throws(HypercallStatus) {
            if input.vtl.target != 0 { throw HypercallStatus.invalidParameter }
            let known = try partition(input.partition).with { state throws(HypercallStatus) in
                try state.requireActive()
                return Set(state.processors.keys)
            }
            let indices = Array(apicIDs.prefix { known.contains($0) })
            return (indices, indices.count == apicIDs.count ? .success : .invalidParameter)
        } catch {
            return ([], error)
        }
    }

    /// From the kernel's statistics, in steps of its clock: what is not idle is the processor's own time, and what an
    /// underlying hypervisor took is the hypervisor's. `invalidLpIndex` for a processor that is not there.
    func logicalProcessorRunTime(_ index: UInt32) throws(HypercallStatus) -> LogicalProcessorRunTime {
        let statistics: [UInt8]
        do throws(Errno) {
            // Regular, but without a size: it is read as a stream.
            let file = try FileDescriptor(opening: "/proc/stat", O_RDONLY)
            statistics = try file.read(count: 1 << 20)
        } catch {
            throw HypercallStatus.operationFailed
        }
        let name = "cpu\(index) "
        let lines = statistics.split(separator: UInt8(ascii: "\n"))
        guard let line = lines.first(where: { $0.starts(with: name.utf8) }) else {
            throw HypercallStatus.invalidLpIndex
        }
        let ticks = line.split(separator: UInt8(ascii: " ")).dropFirst().map {
            UInt64(String(decoding: $0, as: UTF8.self)) ?? 0
        }
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of the first.
        guard ticks.count >= 8 else { throw HypercallStatus.operationFailed }
        let unit = 10_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let busy = ticks[0] &+ ticks[1] &+ ticks[2] &+ ticks[5] &+ ticks[6]
        return LogicalProcessorRunTime(
            global: monotonicNanoseconds() / 100, local: busy &* unit, hypervisor: ticks[7] &* unit)
    }
}

extension EmbeddedVP {
    /// What a page walk needs; the page attribute table begins as after power-on where the engine has none.
    fileprivate func walkRegisters() throws(HypercallStatus) -> PageWalk.Registers {
        let (values, status) = engineRegisters([.cr0, .cr3, .cr4, .efer, .rflags, .ss])
        guard status == .success, values.count == 6 else {
            throw status == .invalidVpIndex ? status : HypercallStatus.featureUnavailable
        }
        let (table, _) = engineRegisters([.pat])
        return PageWalk.Registers(
            cr0: values[0].low, cr3: values[1].low, cr4: values[2].low, efer: values[3].low, rflags: values[4].low,
            pat: table.first?.low ?? 0x0007_0406_0007_0406,
            privilegeLevel: UInt8(values[5].segment.attributes >> 5 & 0x3))
    }
}
