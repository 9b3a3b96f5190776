/// A decoded instruction: what to do and with what, nothing about how it was encoded.
struct Instruction: Sendable {
    var operation: Operation
    /// Those that stand in the assembler text, the destination first.
    var operands: [Operand]
    /// A string instruction's places in memory, by RSI and by RDI; the stack of PUSH and POP is not among them.
    var source, destination: MemoryOperand?
    var length: Int
    /// In bytes, of the operation as a whole. Operands have sizes of their own.
    var operandSize: Int
    /// In bytes: 2, 4 or 8.
    var addressSize: Int
    var repetition: Repetition?
    var mode: ProcessorMode
    /// The name and the bytes, for a message.
    var text: String
}

enum Repetition: Sendable {
    /// REP or REPE (F3): comparing instructions go on while equal.
    case whileEqual
    /// REPNE (F2): comparing instructions go on while not equal. The others take it as REP.
    case whileNotEqual
}

enum Operand: Sendable {
    case general(Int, size: Int)
    /// AH, CH, DH or BH of registers 0 to 3.
    case highByte(Int)
    case vector(Int)
    case segment(Segment)
    case memory(MemoryOperand)
    case immediate(UInt64)

    /// In bytes; nil of an immediate, which takes its destination's.
    var size: Int? {
        switch self {
        case .general(_, let size): size
        case .highByte: 1
        case .vector: 16
        case .segment: 2
        case .memory(let memory): memory.size
        case .immediate: nil
        }
    }
}

struct MemoryOperand: Sendable {
    enum Base: Sendable {
        case general(Int)
        case instructionPointer
    }

    var segment: Segment
    var base: Base?
    var index: Int?
    var scale: UInt64
    var displacement: UInt64
    /// In bytes.
    var size: Int
}

/// The segment registers in the order of their numbers in instructions.
enum Segment: Int, Sendable {
    case es, cs, ss, ds, fs, gs
}

/// What instructions do. Those that differ only in their operands are one.
enum Operation: Sendable {
    // Moves.swift
    case move, moveZeroExtended, moveSignExtended, moveByteSwapped
    case moveIf(Condition), set(Condition)
    case exchange
    // Arithmetic.swift
    case binary(Binary), unary(Unary)
    case exchangeAndAdd, compareAndExchange, compareAndExchangePair
    // Multiplication.swift
    case multiply, multiplySigned, divide, divideSigned
    // Bits.swift
    case shift(Shift), bit(BitChange)
    // Strings.swift
    case string(StringOperation)
    // Stack.swift
    case push, pop, call, jump
    // Vector.swift
    case moveVector(VectorMove)
    // Ports.swift
    case input, output

    enum Binary: Sendable {
        case add, addWithCarry, subtract, subtractWithBorrow, and, or, xor, compare, test
    }

    enum Unary: Sendable {
        case not, negate, increment, decrement
    }

    enum Shift: Sendable {
        case left, right, arithmeticRight, rotateLeft, rotateRight
    }

    enum BitChange: Sendable {
        case test, set, reset, complement
    }

    enum StringOperation: Sendable {
        case move, store, load, compare, scan, input, output
    }

    enum VectorMove: Sendable {
        /// 16 bytes, at an address that must be aligned or any.
        case aligned, unaligned
        /// The low 4 or 8 bytes; the rest of a destination register becomes zero (MOVD, MOVQ).
        case low(Int)
        /// The same, but between two registers the rest stays (MOVSS, MOVSD).
        case scalar(Int)
    }
}
