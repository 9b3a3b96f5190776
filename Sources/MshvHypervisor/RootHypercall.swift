import CMshv
import Glibc
import HypercallABI
import HypercallCore
import LinuxSystem

/// A hypercall through `MSHV_ROOT_HVCALL`: the driver puts the id of the descriptor's partition into the input's first
/// eight bytes and makes the call.
///
/// The driver's two generations differ in what they do when the hypervisor lacks memory and what they tell then:
///
/// | | the first | the later one |
/// | --- | --- | --- |
/// | lack of memory | deposits a page and returns `EAGAIN` | deposits and repeats the call till it ends otherwise |
/// | repetitions | says how many were complete; the rest is to be asked for again | continues them |
/// | output | always copied | copied only on success |
///
/// So the rest is asked for by a shorter list, and the output of repetitions that were complete before a failure is
/// fetched by a call for just these.
struct RootHypercall {
    let descriptor: any MshvDescriptor
    let report: @Sendable (String) -> Void

    /// `EAGAIN` in a row without progress; as many deposits of a page as any call could need.
    private static let maximumRetries = 8192

    /// - Parameters: as for `HypercallPort.execute`; the control word fits `form`.
    func execute(
        _ control: ControlWord, form: CallForm, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        // The driver's request has no place for its size. None of the calls it passes through has such a header.
        guard control.variableHeaderSize == 0 else { return ResultWord(.featureUnavailable) }
        guard let repetition = form.repetition else {
            return ResultWord(perform(control.code, reps: 0, input, output).status)
        }
        var done = control.repStart
        while done < control.repCount {
            let outcome = part(control.code, form, done..<control.repCount, input, output)
            var completed = min(outcome.completed, control.repCount - done)
            if outcome.status != .success, completed > 0, repetition.outputSize > 0 {
                completed = refetch(control.code, form, done..<(done + completed), input, output)
            }
            done += completed
            if outcome.status != .success { return ResultWord(outcome.status, repsCompleted: done) }
            // A driver that reports success and no progress would be asked for ever.
            if completed == 0 { return ResultWord(.timeOut, repsCompleted: done) }
        }
        return ResultWord(.success, repsCompleted: done)
    }

    /// A simple call by its 64-bit words.
    ///
    /// - Parameter output: as many words as are wanted, overwritten.
    func words(_ code: CallCode, _ input: [UInt64], output: inout [UInt64]) -> HypercallStatus {
        input.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { output in perform(code, reps: 0, input, output).status }
        }
    }

    /// Makes sure that the output of completed repetitions is there, whatever the driver's generation.
    ///
    /// - Returns: how many of them have their output.
    private func refetch(
        _ code: CallCode, _ form: CallForm, _ range: Range<Int>, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer
    ) -> Int {
        // Reading access states also changes them where the caller asks for it: a second reading would say otherwise.
        guard code != .getGpaPagesAccessStates else { return 0 }
        let again = part(code, form, range, input, output)
        return again.status == .success ? min(again.completed, range.count) : 0
    }

    /// Asks for some of a call's repetitions: the input's fixed part and their piece of the list.
    private func part(
        _ code: CallCode, _ form: CallForm, _ range: Range<Int>, _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer
    ) -> (completed: Int, status: HypercallStatus) {
        let (inputStep, outputStep) = (form.repetition?.inputSize ?? 0, form.repetition?.outputSize ?? 0)
        let list = form.inputSize + inputStep * range.lowerBound
        var bytes = Array(input[..<min(form.inputSize, input.count)])
        if inputStep > 0, list <= input.count {
            bytes += input[list..<min(list + inputStep * range.count, input.count)]
        }
        if code == .getGpaPagesAccessStates, range.lowerBound > 0, bytes.count >= 24 {
            // No list: the first page stands at 16, and the rest begins later.
            bytes.withUnsafeMutableBytes {
                let first = UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                $0.storeBytes(of: (first &+ UInt64(range.lowerBound)).littleEndian, toByteOffset: 16, as: UInt64.self)
            }
        }
        let start = form.outputSize + outputStep * range.lowerBound
        let end = min(start + outputStep * range.count, output.count)
        let target = UnsafeMutableRawBufferPointer(rebasing: output[min(start, end)..<end])
        return bytes.withUnsafeBytes { perform(code, reps: range.count, $0, target) }
    }

    /// One call, made again for as long as the driver says so.
    private func perform(
        _ code: CallCode, reps: Int, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) -> (completed: Int, status: HypercallStatus) {
        var retries = 0
        while true {
            var call = mshv_root_hvcall()
            call.code = code.rawValue
            call.reps = UInt16(clamping: reps)
            call.in_sz = UInt16(clamping: input.count)
            call.in_ptr = UInt64(UInt(bitPattern: input.baseAddress))
            if output.count > 0 {
                call.out_sz = UInt16(clamping: output.count)
                call.out_ptr = UInt64(UInt(bitPattern: output.baseAddress))
            }
            do throws(Errno) {
                try descriptor.call(HV_MSHV_PARTITION_ROOT_HVCALL, &call)
                let status = HypercallStatus(rawValue: call.status)
                return (Int(call.reps), status)
            } catch {
                let status = HypercallStatus(rawValue: call.status)
                // The first generation has deposited a page. What was complete is not asked for again.
                if error.code == EAGAIN, retries < Self.maximumRetries {
                    if reps > 0, call.reps > 0 { return (Int(call.reps), .success) }
                    retries += 1
                    continue
                }
                return (reps > 0 ? Int(call.reps) : 0, failure(code, error, status, reps: reps, &call))
            }
        }
    }

    private func failure(
        _ code: CallCode, _ error: Errno, _ status: HypercallStatus, reps: Int, _ call: inout mshv_root_hvcall
    ) -> HypercallStatus {
        if status == .insufficientMemory {
            report("\(code): the driver's deposits do not help: \(error)")
            return .insufficientRootMemory
        }
        if status != .success { return status }
        // The driver refused it without asking the hypervisor, so nothing was done.
        call.reps = 0
        report("\(code): the driver refuses the call: \(error)")
        // Everything else that the driver checks is right by construction: what is left is a call not on its list.
        return error.code == EINVAL ? .invalidHypercallCode : HypercallStatus(driver: error)
    }
}

/// The calls of one descriptor as a port, for typed clients.
struct DescriptorPort: HypercallPort {
    let calls: RootHypercall

    func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        guard let form = CallCatalogue.definition(of: control.code)?.form else {
            return ResultWord(.invalidHypercallCode)
        }
        return calls.execute(control, form: form, input: input, output: output)
    }
}
