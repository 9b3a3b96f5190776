import CMshv
import Glibc
import HypercallABI
import LinuxSystem
import MshvHypervisor
import Synchronization

/// `MSHV_ROOT_HVCALL` of the fake driver, in the manner of its generation.
extension FakeDescriptor {
    func hypercall(_ argument: UnsafeMutableRawPointer?) throws(Errno) {
        guard let argument else { throw Errno(EFAULT) }
        var call = argument.load(as: mshv_root_hvcall.self)
        guard call.status == 0, call.in_ptr != 0, call.in_sz >= 8, call.in_sz <= 4096,
            call.out_ptr == 0 || call.out_sz > 0,
            let source = UnsafeRawPointer(bitPattern: UInt(call.in_ptr))
        else { throw Errno(EINVAL) }
        let input = UnsafeRawBufferPointer(start: source, count: Int(call.in_sz))
        let output = UnsafeMutableRawPointer(bitPattern: UInt(call.out_ptr))
        let outcome = try fakeDriver.state.withLock { [call] state throws(Errno) in
            state.hypercalls.append((call.code, call.reps))
            return try Self.perform(call, input, &state)
        }
        call.status = outcome.status.rawValue
        call.reps = UInt16(outcome.done)
        argument.storeBytes(of: call, as: mshv_root_hvcall.self)
        if outcome.isFirst || outcome.status == .success {
            for (place, value) in outcome.output.enumerated() where place < Int(call.out_sz) / 8 {
                output?.storeBytes(of: value, toByteOffset: 8 * place, as: UInt64.self)
            }
        }
        if outcome.again { throw Errno(EAGAIN) }
        switch outcome.status {
        case .success: return
        case .insufficientMemory: throw Errno(ENOMEM)
        case .invalidParameter, .invalidRegisterValue: throw Errno(EINVAL)
        default: throw Errno(EIO)
        }
    }

    private struct Outcome {
        var status = HypercallStatus.success
        var done = 0
        var output: [UInt64] = []
        var again = false
        var isFirst = false
    }

    private static func perform(
        _ call: mshv_root_hvcall, _ input: UnsafeRawBufferPointer, _ state: inout FakeDriver.State
    ) throws(Errno) -> Outcome {
        func word(_ offset: Int) -> UInt64 { input.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        func half(_ offset: Int) -> UInt32 { input.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        var outcome = Outcome(isFirst: state.generation == .first)
        switch CallCode(rawValue: call.code) {
        case .getPartitionProperty:
            outcome.output = [state.properties[half(8)] ?? 0]
        case .setPartitionProperty:
            state.properties[half(8)] = word(16)
        case .assertVirtualInterrupt:
            state.interrupts.append([word(8), word(16), word(24)])
        case .translateVirtualAddress:
            outcome.output = state.absent.contains(word(24)) ? [1, 0] : [0, word(24)]
        case .getVpRegisters, .setVpRegisters:
            let isSetting = CallCode(rawValue: call.code) == .setVpRegisters
            let shortage = state.shortages.isEmpty ? nil : state.shortages.removeFirst()
            for index in 0..<Int(call.reps) {
                if index == shortage, outcome.isFirst {
                    outcome.status = .insufficientMemory
                    outcome.again = true
                    return outcome
                }
                let name = half(16 + (isSetting ? 32 : 4) * index)
                if name == state.unknownRegister {
                    outcome.status = .invalidParameter
                    return outcome
                }
                if isSetting {
                    state.registers[name] = RegisterValue(low: word(32 + 32 * index), high: word(40 + 32 * index))
                } else {
                    let value = state.registers[name] ?? RegisterValue(UInt64(name))
                    outcome.output += [value.low, value.high]
                }
                outcome.done += 1
            }
        default: throw Errno(EINVAL)
        }
        return outcome
    }
}
