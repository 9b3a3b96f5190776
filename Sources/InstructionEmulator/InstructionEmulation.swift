import HypercallABI

/// One instruction in emulation: a machine that stops at each device access and is resumed with its answer.
///
/// Call `next` until it answers `.finished`, `.fault` or `.unsupported`; after that it only repeats itself. Between
/// two calls the guest's registers must stay as they are. A LOCK prefix is obeyed in what it forbids, but an access
/// to memory of the guest is a read and a write, which other processors may come between.
package struct InstructionEmulation: Sendable {
    /// So many elements of a repeated string instruction at most, then interrupts may come in.
    package static let maximumElements = 256

    private static let maximumLength = 15

    private var code: [UInt8]
    /// The registers before the element that is in work.
    private var state: GuestState
    private var instruction: Instruction?
    /// What the element in work has asked for so far.
    private var answers: [UInt64] = []
    private var elements = 0
    private var access: DeviceAccess?
    private var end: EmulationStep?
    private let traps: Bool

    /// - Parameters:
    ///   - code: the bytes at the instruction pointer. What an instruction has more of (or all of it, when there are
    ///     none) is fetched from the guest's memory.
    ///   - state: the processor before the instruction. Registers missing from its lists are taken as zero.
    package init(code: [UInt8], state: GuestState) {
        self.code = Array(code.prefix(Self.maximumLength))
        self.state = state.complete
        traps = state.rflags & Flags.trap != 0
    }

    /// Whether the guest steps (RFLAGS.TF was set before the instruction): after `.finished` it has to get a debug
    /// exception with DR6.BS. Also after each element of a repeated string instruction, which then finishes there.
    package var owesDebugException: Bool { if case .finished = end { traps } else { false } }

    /// Goes on until the next device access or the end.
    ///
    /// - Parameter answer: the value of the device register that the last step asked to read. Without it the step
    ///   is repeated. Bits above the access's size are ignored.
    package mutating func next(_ memory: inout some GuestAddressSpace, answer: UInt64?) -> EmulationStep {
        if let end { return end }
        if let step = resume(answer) { return step }
        while true {
            do throws(Interruption) {
                if try runElement(&memory) { return finish(.finished(state)) }
            } catch {
                switch error {
                case .unsupported(let what): return finish(.unsupported(what))
                // A fault in a later element ends the instruction before that element, where it comes again as the
                // fault of a first one.
                case .fault(let fault): return finish(elements > 0 ? .finished(state) : .fault(fault))
                case .request(let request):
                    guard let device = DeviceAccess(request) else { return finish(.unsupported("\(request)")) }
                    access = device
                    return device.step
                }
            }
        }
    }

    private mutating func finish(_ step: EmulationStep) -> EmulationStep {
        end = step
        return step
    }

    /// Takes the answer of the device access under way. nil when that is complete or there was none.
    private mutating func resume(_ answer: UInt64?) -> EmulationStep? {
        guard var current = access else { return nil }
        guard current.take(answer) else { return current.step }
        guard current.isDone else {
            access = current
            return current.step
        }
        answers.append(current.value)
        access = nil
        return nil
    }

    /// Runs the element in work until it is done or needs a device.
    ///
    /// - Returns: whether the instruction ends here.
    private mutating func runElement(_ memory: inout some GuestAddressSpace) throws(Interruption) -> Bool {
        let instruction = try decoded(&memory)
        while true {
            var execution = Execution(instruction, state: state, answers: answers)
            let request: Request
            do throws(Interruption) {
                let done = try execution.run()
                state = execution.state
                answers.removeAll(keepingCapacity: true)
                elements += 1
                return done || traps || elements >= Self.maximumElements
            } catch {
                guard case .request(let asked) = error else { throw error }
                request = asked
            }
            guard let answer = try request.fulfilled(by: &memory) else { throw .request(request) }
            answers.append(answer)
        }
    }

    // MARK: code

    private mutating func decoded(_ memory: inout some GuestAddressSpace) throws(Interruption) -> Instruction {
        if let instruction { return instruction }
        let protection = Interruption.fault(GuestFault(vector: 13, errorCode: state.zeroErrorCode))
        while true {
            switch Decoder.decode(code, mode: ProcessorMode(state)) {
            case .instruction(let decoded):
                instruction = decoded
                return decoded
            case .badLock: throw .fault(GuestFault(vector: 6, errorCode: nil))
            case .tooLong: throw protection
            case .unsupported(let what): throw .unsupported(what)
            case .cutOff:
                guard code.count < Self.maximumLength else { throw protection }
                try fetch(&memory)
            }
        }
    }

    /// Fetches the bytes after those at hand, up to the end of their page.
    private mutating func fetch(_ memory: inout some GuestAddressSpace) throws(Interruption) {
        let mode = ProcessorMode(state)
        let base = mode == .long64 ? 0 : state.cs.base
        let linear = (base &+ state.rip &+ UInt64(code.count)) & mode.linearMask
        let count = min(Self.maximumLength - code.count, 4096 - Int(linear & 4095))
        let gpa: UInt64
        do throws(GuestFault) {
            gpa = try memory.translate(linear, for: .execute)
        } catch {
            throw .fault(error)
        }
        guard let bytes = memory.read(gpa, count: count), !bytes.isEmpty else {
            throw .unsupported("an instruction in device memory, at guest physical 0x\(String(gpa, radix: 16))")
        }
        code += bytes.prefix(count)
    }
}

extension Request {
    /// What memory and page tables answer; nil where a device has to.
    func fulfilled(by memory: inout some GuestAddressSpace) throws(Interruption) -> UInt64? {
        switch self {
        case .translate(let linear, let access):
            do throws(GuestFault) {
                return try memory.translate(linear, for: access)
            } catch {
                throw .fault(error)
            }
        case .read(let gpa, let count):
            guard let bytes = memory.read(gpa, count: count) else { return nil }
            return bytes.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        case .write(let gpa, let count, let value):
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
            return memory.write(gpa, bytes) ? 0 : nil
        case .readPort, .writePort: return nil
        }
    }
}
