import HypercallABI
import HypercallCore
import Hypervisor

/// Virtual processors (TLFS 7.8).
extension PartitionState {
    /// - Throws: `invalidPartitionState` before initialize, `invalidVpIndex` for an index that is or was in use or that
    ///   the partition was not made for, `invalidParameter` for an unknown subnode or flags, `insufficientMemory`,
    ///   `operationFailed`.
    mutating func createVP(_ input: CreateVPInput) throws(HypercallStatus) {
        try requireActive()
        guard input.subnodeType <= 3, input.flags == 0 else { throw HypercallStatus.invalidParameter }
        guard input.index <= Limits.maximumVPIndex, Int(input.index) < parameters.vpCount,
            processors[input.index] == nil, !deletedProcessors.contains(input.index)
        else { throw HypercallStatus.invalidVpIndex }
        guard let engine else { throw HypercallStatus.invalidPartitionState }
        guard pool.use(PageCosts.createVP) else { throw HypercallStatus.insufficientMemory }
        do throws(HypervisorError) {
            let processor = try engine.createVP(input.index)
            let isSuspended = try? properties.value(of: .suspend) != 0
            processors[input.index] = EmbeddedVP(
                processor, index: input.index, partition: id, isPartitionSuspended: isSuspended ?? false)
        } catch {
            pool.release(PageCosts.createVP)
            throw failed("creating processor \(input.index)", error)
        }
    }

    /// Waits until the processor has stopped. The engine keeps its part until the partition is finalized.
    mutating func deleteVP(_ index: VPIndex) throws(HypercallStatus) {
        try requireActive()
        guard let processor = processors.removeValue(forKey: index) else { throw HypercallStatus.invalidVpIndex }
        processor.retire()
        deletedProcessors.insert(index)
        pool.release(PageCosts.createVP)
    }

    func processor(_ index: VPIndex) throws(HypercallStatus) -> EmbeddedVP {
        try requireActive()
        guard let processor = processors[index] else { throw HypercallStatus.invalidVpIndex }
        return processor
    }
}

/// Registers (TLFS 7.9): those of the hypervisor here, all others in the engine. A name that nobody knows, here or in
/// the engine, is `invalidParameter`; the call is left at it.
extension EmbeddedVP {
    func registers(_ names: [RegisterName]) -> (values: [RegisterValue], status: HypercallStatus) {
        var values: [RegisterValue] = []
        var next = 0
        while next < names.count {
            switch names[next] {
            case .explicitSuspend:
                values.append(RegisterValue(explicitSuspend ? 1 : 0))
                next += 1
            case .vpIndex:
                values.append(RegisterValue(UInt64(index)))
                next += 1
            default:
                let end = names[next...].firstIndex(where: Self.isOurs) ?? names.count
                let (some, status) = engineRegisters(Array(names[next..<end]))
                values += some
                if status != .success { return (values, status) }
                next = end
            }
        }
        return (values, .success)
    }

    func setRegisters(_ registers: [RegisterAssociation]) -> RepOutcome {
        var next = 0
        while next < registers.count {
            let register = registers[next]
            switch register.name {
            case .explicitSuspend:
                guard register.value.low <= 1, register.value.high == 0 else {
                    return RepOutcome(next, .invalidRegisterValue)
                }
                explicitSuspend = register.value.low == 1
                next += 1
            case .vpIndex:
                return RepOutcome(next, .accessDenied)
            default:
                let end = registers[next...].firstIndex { Self.isOurs($0.name) } ?? registers.count
                let outcome = setEngineRegisters(Array(registers[next..<end]))
                if outcome.status != .success { return RepOutcome(next + outcome.completed, outcome.status) }
                next = end
            }
        }
        return RepOutcome(registers.count, .success)
    }

    private static func isOurs(_ name: RegisterName) -> Bool { name == .explicitSuspend || name == .vpIndex }

    private func engineRegisters(_ names: [RegisterName]) -> (values: [RegisterValue], status: HypercallStatus) {
        let answer = access { processor -> ([RegisterValue], HypercallStatus) in
            if let values = try? processor.registers(names), values.count == names.count { return (values, .success) }
            // One after the other tells which of them the engine does not have.
            var values: [RegisterValue] = []
            for name in names {
                do throws(HypercallStatus) {
                    guard let value = try processor.registers([name]).first else { return (values, .invalidParameter) }
                    values.append(value)
                } catch {
                    return (values, error)
                }
            }
            return (values, .success)
        }
        return answer ?? ([], .invalidVpIndex)
    }

    private func setEngineRegisters(_ registers: [RegisterAssociation]) -> RepOutcome {
        let answer = access { processor -> RepOutcome in
            if (try? processor.setRegisters(registers)) != nil { return RepOutcome(registers.count, .success) }
            // One after the other tells which of them it refuses; setting a register twice does no harm.
            for (done, register) in registers.enumerated() {
                do throws(HypercallStatus) {
                    try processor.setRegisters([register])
                } catch {
                    return RepOutcome(done, error)
                }
            }
            return RepOutcome(registers.count, .success)
        }
        return answer ?? .refused(.invalidVpIndex)
    }
}
