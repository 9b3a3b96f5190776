import HypercallABI
import HypercallCore
import Hypervisor

/// Registers (TLFS, "Virtual Processor Management"): those of the hypervisor here (`HypervisorRegister` lists them),
/// all others in the engine. A name that nobody knows, here or in the engine, is `invalidParameter`; the call is left
/// at it.
extension EmbeddedVP {
    func registers(_ names: [RegisterName]) -> (values: [RegisterValue], status: HypercallStatus) {
        var values: [RegisterValue] = []
        var next = 0
        while next < names.count {
            if let rule = HypervisorRegister.rule(for: names[next]) {
                do throws(HypercallStatus) {
                    values.append(try value(of: names[next], rule))
                } catch {
                    return (values, error)
                }
                next += 1
                continue
            }
            let end = names[next...].firstIndex { HypervisorRegister.rule(for: $0) != nil } ?? names.count
            let (some, status) = engineRegisters(Array(names[next..<end]))
            values += some
            if status != .success { return (values, status) }
            next = end
        }
        return (values, .success)
    }

    func setRegisters(_ registers: [RegisterAssociation]) -> RepOutcome {
        var next = 0
        while next < registers.count {
            if let rule = HypervisorRegister.rule(for: registers[next].name) {
                do throws(HypercallStatus) {
                    try set(registers[next], rule)
                } catch {
                    return RepOutcome(next, error)
                }
                next += 1
                continue
            }
            let end = registers[next...].firstIndex { HypervisorRegister.rule(for: $0.name) != nil } ?? registers.count
            let outcome = setEngineRegisters(Array(registers[next..<end]))
            if outcome.status != .success { return RepOutcome(next + outcome.completed, outcome.status) }
            next = end
        }
        return RepOutcome(registers.count, .success)
    }

    // MARK: The hypervisor's

    private func value(of name: RegisterName, _ rule: HypervisorRegister) throws(HypercallStatus) -> RegisterValue {
        switch rule {
        case .absent: return RegisterValue(0)
        case .suspension: return RegisterValue(self[suspension: name] ? 1 : 0)
        case .endOfMessage: return RegisterValue(0)
        case .readOnly:
            switch name {
            case .vpRuntime: return RegisterValue(runTime)
            case .timeRefCount: return RegisterValue(shared.referenceTime)
            case .sversion: return RegisterValue(1)
            default: return RegisterValue(UInt64(index))
            }
        case .stored(let initial, _, let isShared):
            if isShared { return RegisterValue(shared[name] ?? initial) }
            return RegisterValue(
                try withRecord { record throws(HypercallStatus) in record.registers[name] ?? initial })
        case .timer(let timer, let isCount):
            return RegisterValue(
                try withRecord { record throws(HypercallStatus) in
                    isCount ? record.timers[timer].count : record.timers[timer].configuration
                })
        case .engineFirst:
            let (values, status) = engineRegisters([name])
            if status == .success, let value = values.first { return value }
            guard status == .invalidParameter else { throw status }
            return RegisterValue(try withRecord { record throws(HypercallStatus) in record.registers[name] ?? 0 })
        }
    }

    private func set(_ register: RegisterAssociation, _ rule: HypervisorRegister) throws(HypercallStatus) {
        let name = register.name
        let value = register.value.low
        func check(reserved: UInt64) throws(HypercallStatus) {
            guard value & reserved == 0 else { throw HypercallStatus.invalidRegisterValue }
        }
        switch rule {
        case .readOnly: throw HypercallStatus.accessDenied
        case .absent:
            guard value == 0 else { throw HypercallStatus.invalidParameter }
        // What waits is delivered by the caller, who has the guest's memory.
        case .endOfMessage: try check(reserved: 0)
        case .suspension:
            try check(reserved: ~1)
            self[suspension: name] = value == 1
        case .stored(_, let reserved, let isShared):
            try check(reserved: reserved)
            if isShared {
                shared[name] = value
            } else {
                try withRecord { record throws(HypercallStatus) in record.registers[name] = value }
            }
        case .timer(let timer, let isCount):
            try check(reserved: isCount ? 0 : SyntheticTimerState.reservedConfiguration)
            try withRecord { record throws(HypercallStatus) in
                if isCount { record.timers[timer].count = value } else { record.timers[timer].configuration = value }
            }
        case .engineFirst(let reserved):
            try check(reserved: reserved)
            let status = setEngineRegisters([register]).status
            if status == .success { return }
            guard status == .invalidParameter else { throw status }
            try withRecord { record throws(HypercallStatus) in record.registers[name] = value }
        }
    }

    // MARK: The engine's

    func engineRegisters(_ names: [RegisterName]) -> (values: [RegisterValue], status: HypercallStatus) {
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

    func setEngineRegisters(_ registers: [RegisterAssociation]) -> RepOutcome {
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
