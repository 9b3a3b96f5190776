import CZydis

enum Decoder {
    enum Outcome: Sendable {
        case instruction(Instruction)
        /// More bytes are needed.
        case cutOff
        /// The processor answers these bytes with an exception.
        case tooLong, badLock
        case unsupported(String)
    }

    static func decode(_ code: [UInt8], mode: ProcessorMode) -> Outcome {
        var decoded = czydis_instruction()
        switch czydis_decode(mode.decoderMode, code, code.count, &decoded) {
        case CZYDIS_DECODED: break
        case CZYDIS_CUT_OFF: return .cutOff
        case CZYDIS_TOO_LONG: return .tooLong
        case CZYDIS_BAD_LOCK: return .badLock
        default: return .unsupported("bytes that are no known instruction (\(hexadecimal(code)))")
        }

        let bytes = hexadecimal(code.prefix(Int(decoded.length)))
        let text = "\(name(decoded.mnemonic)) (\(bytes))"
        let raw = (0..<Int32(decoded.count)).map { czydis_operand_at(&decoded, $0) }
        guard decoded.is_legacy != 0, decoded.is_far == 0, var operation = Operation.table[decoded.mnemonic] else {
            return .unsupported(text)
        }
        var operands: [Operand] = []
        for operand in raw.prefix(Int(decoded.visible)) {
            guard let operand = Operand(operand) else { return .unsupported("\(text): a kind of operand") }
            operands.append(operand)
        }
        let vectors = raw.contains { $0.kind == UInt8(CZYDIS_VECTOR.rawValue) }
        if vectors, case .string(let string) = operation {
            guard case .move = string else { return .unsupported(text) }
            operation = .moveVector(.scalar(8))
        }

        let memory = raw.compactMap(MemoryOperand.init)
        return .instruction(
            Instruction(
                operation: operation, operands: operands, source: memory.first { $0.isBased(on: 6) },
                destination: memory.first { $0.isBased(on: 7) }, length: Int(decoded.length),
                operandSize: Int(decoded.operand_width) / 8, addressSize: Int(decoded.address_width) / 8,
                repetition: Repetition(prefix: decoded.repeat_prefix), mode: mode, text: text))
    }

    private static func name(_ mnemonic: UInt16) -> String {
        guard let name = ZydisMnemonicGetString(ZydisMnemonic(rawValue: UInt32(mnemonic))) else { return "instruction" }
        return String(cString: name)
    }

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}

extension Repetition {
    fileprivate init?(prefix: UInt8) {
        switch prefix {
        case 0xF3: self = .whileEqual
        case 0xF2: self = .whileNotEqual
        default: return nil
        }
    }
}

extension Operand {
    fileprivate init?(_ operand: czydis_operand) {
        let number = Int(operand.reg)
        switch czydis_operand_kind(rawValue: UInt32(operand.kind)) {
        case CZYDIS_GENERAL: self = .general(number & 15, size: Int(operand.bits) / 8)
        case CZYDIS_HIGH_BYTE: self = .highByte(number & 3)
        case CZYDIS_VECTOR: self = .vector(number & 15)
        case CZYDIS_IMMEDIATE: self = .immediate(operand.value)
        case CZYDIS_SEGMENT:
            guard let segment = Segment(rawValue: number) else { return nil }
            self = .segment(segment)
        case CZYDIS_MEMORY:
            guard let memory = MemoryOperand(operand) else { return nil }
            self = .memory(memory)
        default: return nil
        }
    }
}

extension MemoryOperand {
    fileprivate init?(_ operand: czydis_operand) {
        guard operand.kind == UInt8(CZYDIS_MEMORY.rawValue), let segment = Segment(rawValue: Int(operand.segment))
        else { return nil }
        let size = Int(operand.bits) / 8
        guard (1...16).contains(size) else { return nil }
        let base: Base? =
            switch operand.base {
            case UInt8(CZYDIS_NO_REGISTER): nil
            case UInt8(CZYDIS_INSTRUCTION_POINTER): .instructionPointer
            default: .general(Int(operand.base) & 15)
            }
        self.init(
            segment: segment, base: base, index: operand.index < 16 ? Int(operand.index) : nil,
            scale: UInt64(operand.scale), displacement: operand.value, size: size)
    }

    fileprivate func isBased(on number: Int) -> Bool {
        if case .general(number) = base { true } else { false }
    }
}
