import CMshv
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Registers by hypercall: HV_REGISTER_EXPLICIT_SUSPEND here, all others in the hypervisor while the processor stands
/// still.
extension MshvPartition {
    func registers(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        let input = try VPRegistersInput(decoding: ByteReader(call.input))
        let vp = try processor(input.index)
        let isSetting = call.control.code == .setVpRegisters
        let step = isSetting ? RegisterAssociation.size : VPRegistersInput.nameSize
        var done = call.range.lowerBound
        let reader = ByteReader(call.input)
        while done < call.range.upperBound {
            let name = try reader.read(UInt32.self, at: VPRegistersInput.size + step * done)
            if name == RegisterName.explicitSuspend.rawValue {
                if isSetting {
                    let value = try RegisterAssociation(
                        decoding: reader.from(VPRegistersInput.size + step * done)
                    ).value
                    guard value.low <= 1, value.high == 0 else {
                        return ResultWord(.invalidRegisterValue, repsCompleted: done)
                    }
                    vp.isSuspended = value.low == 1
                } else {
                    try RegisterValue(vp.isSuspended ? 1 : 0).encode(
                        into: ByteWriter(call.output).from(RegisterValue.size * done))
                }
                done += 1
                continue
            }
            // All up to the next one of ours in one call.
            var end = done + 1
            while end < call.range.upperBound,
                try reader.read(UInt32.self, at: VPRegistersInput.size + step * end)
                    != RegisterName.explicitSuspend.rawValue
            { end += 1 }
            let result = try others(call, done..<end, vp, isSetting)
            if result.status != .success { return result }
            done = end
        }
        return ResultWord(.success, repsCompleted: done)
    }

    private func others(
        _ call: PortCall, _ range: Range<Int>, _ vp: MshvVP, _ isSetting: Bool
    ) throws(HypercallStatus) -> ResultWord {
        var part = call
        part = PortCall(
            control: ControlWord(call.control.code, repCount: range.upperBound, repStart: range.lowerBound),
            form: call.form, input: call.input, output: call.output)
        return try vp.standingStill { inner throws(HypercallStatus) in
            do throws(HypercallFailure) {
                try inner.registers.flush()
            } catch {
                throw error.status
            }
            if isSetting { inner.registers.becomeStale() }
            return try passThrough(part)
        }
    }

    /// HvCallGetVpState and HvCallSetVpState as the driver's ioctls, whose formats are the hypervisor's. Which XSAVE
    /// components are meant is the driver's choice: all that the partition has.
    func vpState(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        let reader = ByteReader(call.input)
        let vp = try processor(try reader.read(UInt32.self, at: 8))
        let type = try reader.read(UInt32.self, at: 16)
        guard let component = MshvVPState(hypervisorType: type) else { throw HypercallStatus.invalidParameter }
        let words = call.control.variableHeaderSize
        if component == .syntheticTimers {
            try timers(call, vp, words)
            return ResultWord(.success)
        }
        var pages: [UInt64] = []
        for index in 0..<words { pages.append(try reader.read(UInt64.self, at: call.form.inputSize + 8 * index)) }
        // The driver takes one piece of this process's memory, and looks itself whether it is there.
        guard let first = pages.first, first > 0, pages.count <= 256, first < 1 << 52 - 256,
            pages.enumerated().allSatisfy({ $1 == first + UInt64($0) })
        else { throw HypercallStatus.invalidParameter }
        let request = call.control.code == .setVpState ? HV_MSHV_VP_SET_STATE : HV_MSHV_VP_GET_STATE
        let size = pages.count * pageSize
        let (needed, failure) = vp.exchange(component, request, first * UInt64(pageSize), size)
        guard let failure else { return ResultWord(.success) }
        if needed > size { throw HypercallStatus.insufficientBuffer }
        report("the state \(component) of processor \(vp.index): the driver says \(failure)")
        throw HypercallStatus(driver: failure)
    }

    private func timers(_ call: PortCall, _ vp: MshvVP, _ words: Int) throws(HypercallStatus) {
        do throws(HypervisorError) {
            if call.control.code == .getVpState {
                let bytes = try vp.state(.syntheticTimers)
                call.output.copyBytes(from: bytes.prefix(call.output.count))
            } else {
                let start = min(call.form.inputSize, call.input.count)
                try vp.setState(.syntheticTimers, Array(call.input[start...].prefix(8 * words)))
            }
        } catch {
            report(error.description)
            throw HypercallStatus.operationFailed
        }
    }
}
