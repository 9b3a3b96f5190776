import HypercallABI

extension HypercallDispatcher {
    func processors(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .createVp:
            try handler.createVP(CreateVPInput(decoding: call.input))
            return .done
        case .deleteVp:
            try handler.deleteVP(DeleteVPInput(decoding: call.input))
            return .done
        case .getVpRegisters:
            let input = try VPRegistersInput(decoding: call.input)
            var names: [RegisterName] = []
            for index in call.range {
                let offset = VPRegistersInput.size + VPRegistersInput.nameSize * index
                names.append(RegisterName(rawValue: try call.input.read(UInt32.self, at: offset)))
            }
            let (values, status) = handler.getVPRegisters(input, names: names)
            for (index, value) in zip(call.range, values) {
                try value.encode(into: call.output.from(RegisterValue.size * index))
            }
            return RepOutcome(min(values.count, names.count), status)
        case .setVpRegisters:
            return try setVPRegisters(call)
        default: throw HypercallStatus.invalidHypercallCode
        }
    }

    /// A malformed element stops the call there; those before it are set.
    private func setVPRegisters(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        let input = try VPRegistersInput(decoding: call.input)
        var registers: [RegisterAssociation] = []
        var malformed: HypercallStatus?
        for index in call.range {
            do throws(HypercallStatus) {
                let bytes = try call.input.from(VPRegistersInput.size + RegisterAssociation.size * index)
                registers.append(try RegisterAssociation(decoding: bytes))
            } catch {
                malformed = error
                break
            }
        }
        var outcome = RepOutcome(0, .success)
        if !registers.isEmpty { outcome = handler.setVPRegisters(input, registers: registers) }
        if outcome.status == .success, let malformed { outcome.status = malformed }
        return outcome
    }
}
