import HypercallABI

/// What an instruction asks of the world. Of memory: at most 8 bytes within one page.
enum Request: Equatable, Sendable {
    case translate(linear: UInt64, MemoryAccess)
    case read(gpa: UInt64, count: Int)
    case write(gpa: UInt64, count: Int, value: UInt64)
    case readPort(port: UInt16, size: Int)
    case writePort(port: UInt16, size: Int, value: UInt64)
}

/// Why an execution ends before the instruction does.
enum Interruption: Error, Equatable, Sendable {
    case request(Request)
    case fault(GuestFault)
    case unsupported(String)
}

/// One run of an instruction (of a repeated one: of one element) as straight code.
///
/// A run has no effects: it works on a copy of the registers and takes what it asked for from `answers`, in order.
/// Where they end it throws its next request, and whoever fulfils that runs the whole again with one answer more.
/// The same answers lead to the same requests, so no step of an instruction has to be kept as a state of its own.
struct Execution {
    let instruction: Instruction
    var state: GuestState
    private var answers: ArraySlice<UInt64>

    init(_ instruction: Instruction, state: GuestState, answers: [UInt64]) {
        self.instruction = instruction
        self.state = state
        self.answers = answers[...]
    }

    /// - Returns: whether the instruction is done; else it is a repeated one with elements left, and stands at itself.
    mutating func run() throws(Interruption) -> Bool {
        var done = true
        switch instruction.operation {
        case .move: try move()
        case .moveZeroExtended: try moveExtended(signed: false)
        case .moveSignExtended: try moveExtended(signed: true)
        case .moveByteSwapped: try moveByteSwapped()
        case .moveIf(let condition): try moveIf(condition)
        case .set(let condition): try set(condition)
        case .exchange: try exchange()
        case .binary(let operation): try binary(operation)
        case .unary(let operation): try unary(operation)
        case .exchangeAndAdd: try exchangeAndAdd()
        case .compareAndExchange: try compareAndExchange()
        case .compareAndExchangePair: try compareAndExchangePair()
        case .multiply: try multiply(signed: false)
        case .multiplySigned: try multiply(signed: true)
        case .divide: try divide(signed: false)
        case .divideSigned: try divide(signed: true)
        case .shift(let operation): try shift(operation)
        case .bit(let operation): try bit(operation)
        case .string(let operation): done = try string(operation)
        case .push: try push()
        case .pop: try pop()
        case .call: try call()
        case .jump: try jump()
        case .moveVector(let operation): try moveVector(operation)
        case .input: try input()
        case .output: try output()
        }
        guard done else { return false }
        switch instruction.operation {
        case .call, .jump: break
        default: state.rip = nextInstruction
        }
        state.rflags &= ~Flags.resume
        return true
    }

    /// Where the following instruction begins.
    var nextInstruction: UInt64 { (state.rip &+ UInt64(instruction.length)) & instruction.mode.linearMask }

    mutating func ask(_ request: Request) throws(Interruption) -> UInt64 {
        guard let answer = answers.popFirst() else { throw .request(request) }
        return answer
    }

    func fault(_ vector: UInt8, code: UInt32?) -> Interruption {
        .fault(GuestFault(vector: vector, errorCode: code))
    }

    var generalProtection: Interruption { fault(13, code: state.zeroErrorCode) }

    /// An operand that Zydis never gives with this instruction.
    var unexpectedOperands: Interruption { .unsupported("\(instruction.text): these operands") }

    func operand(_ number: Int) throws(Interruption) -> Operand {
        guard instruction.operands.indices.contains(number) else { throw unexpectedOperands }
        return instruction.operands[number]
    }

    // MARK: registers

    func register(_ number: Int, size: Int = 8) -> UInt64 { state.general[number & 15] & Flags.mask(size) }

    /// Writes a register's low bytes: 4 bytes clear the upper half, 1 and 2 leave what is above them.
    mutating func setRegister(_ number: Int, size: Int, _ value: UInt64) {
        let kept = size >= 4 ? 0 : ~Flags.mask(size)
        state.general[number & 15] = state.general[number & 15] & kept | value & Flags.mask(size)
    }

    mutating func setFlags(_ flags: UInt64, of changed: UInt64) {
        state.rflags = state.rflags & ~changed | flags & changed
    }

    func segmentRegister(_ segment: Segment) -> SegmentRegister {
        switch segment {
        case .es: state.es
        case .cs: state.cs
        case .ss: state.ss
        case .ds: state.ds
        case .fs: state.fs
        case .gs: state.gs
        }
    }
}
