import CZydis

extension Operation {
    /// Every emulated mnemonic.
    static let table: [UInt16: Operation] = {
        var table: [UInt16: Operation] = [:]
        func enter(_ operation: Operation, _ mnemonics: ZydisMnemonic...) {
            for mnemonic in mnemonics { table[UInt16(truncatingIfNeeded: mnemonic.rawValue)] = operation }
        }

        enter(.move, ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVNTI)
        enter(.moveZeroExtended, ZYDIS_MNEMONIC_MOVZX)
        enter(.moveSignExtended, ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD)
        enter(.moveByteSwapped, ZYDIS_MNEMONIC_MOVBE)
        enter(.exchange, ZYDIS_MNEMONIC_XCHG)

        enter(.binary(.add), ZYDIS_MNEMONIC_ADD)
        enter(.binary(.addWithCarry), ZYDIS_MNEMONIC_ADC)
        enter(.binary(.subtract), ZYDIS_MNEMONIC_SUB)
        enter(.binary(.subtractWithBorrow), ZYDIS_MNEMONIC_SBB)
        enter(.binary(.and), ZYDIS_MNEMONIC_AND)
        enter(.binary(.or), ZYDIS_MNEMONIC_OR)
        enter(.binary(.xor), ZYDIS_MNEMONIC_XOR)
        enter(.binary(.compare), ZYDIS_MNEMONIC_CMP)
        enter(.binary(.test), ZYDIS_MNEMONIC_TEST)
        enter(.unary(.not), ZYDIS_MNEMONIC_NOT)
        enter(.unary(.negate), ZYDIS_MNEMONIC_NEG)
        enter(.unary(.increment), ZYDIS_MNEMONIC_INC)
        enter(.unary(.decrement), ZYDIS_MNEMONIC_DEC)
        enter(.exchangeAndAdd, ZYDIS_MNEMONIC_XADD)
        enter(.compareAndExchange, ZYDIS_MNEMONIC_CMPXCHG)
        enter(.compareAndExchangePair, ZYDIS_MNEMONIC_CMPXCHG8B, ZYDIS_MNEMONIC_CMPXCHG16B)
        enter(.multiply, ZYDIS_MNEMONIC_MUL)
        enter(.multiplySigned, ZYDIS_MNEMONIC_IMUL)
        enter(.divide, ZYDIS_MNEMONIC_DIV)
        enter(.divideSigned, ZYDIS_MNEMONIC_IDIV)

        enter(.shift(.left), ZYDIS_MNEMONIC_SHL)
        enter(.shift(.right), ZYDIS_MNEMONIC_SHR)
        enter(.shift(.arithmeticRight), ZYDIS_MNEMONIC_SAR)
        enter(.shift(.rotateLeft), ZYDIS_MNEMONIC_ROL)
        enter(.shift(.rotateRight), ZYDIS_MNEMONIC_ROR)
        enter(.bit(.test), ZYDIS_MNEMONIC_BT)
        enter(.bit(.set), ZYDIS_MNEMONIC_BTS)
        enter(.bit(.reset), ZYDIS_MNEMONIC_BTR)
        enter(.bit(.complement), ZYDIS_MNEMONIC_BTC)

        // Zydis has one MOVSD and one CMPSD for the string and the vector instruction: Decoder.swift tells them apart.
        enter(
            .string(.move), ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVSQ)
        enter(
            .string(.store), ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD, ZYDIS_MNEMONIC_STOSQ)
        enter(
            .string(.load), ZYDIS_MNEMONIC_LODSB, ZYDIS_MNEMONIC_LODSW, ZYDIS_MNEMONIC_LODSD, ZYDIS_MNEMONIC_LODSQ)
        enter(
            .string(.compare), ZYDIS_MNEMONIC_CMPSB, ZYDIS_MNEMONIC_CMPSW, ZYDIS_MNEMONIC_CMPSD,
            ZYDIS_MNEMONIC_CMPSQ)
        enter(
            .string(.scan), ZYDIS_MNEMONIC_SCASB, ZYDIS_MNEMONIC_SCASW, ZYDIS_MNEMONIC_SCASD, ZYDIS_MNEMONIC_SCASQ)
        enter(.string(.input), ZYDIS_MNEMONIC_INSB, ZYDIS_MNEMONIC_INSW, ZYDIS_MNEMONIC_INSD)
        enter(.string(.output), ZYDIS_MNEMONIC_OUTSB, ZYDIS_MNEMONIC_OUTSW, ZYDIS_MNEMONIC_OUTSD)
        enter(.input, ZYDIS_MNEMONIC_IN)
        enter(.output, ZYDIS_MNEMONIC_OUT)

        enter(.push, ZYDIS_MNEMONIC_PUSH)
        enter(.pop, ZYDIS_MNEMONIC_POP)
        enter(.call, ZYDIS_MNEMONIC_CALL)
        enter(.jump, ZYDIS_MNEMONIC_JMP)

        enter(
            .moveVector(.aligned), ZYDIS_MNEMONIC_MOVDQA, ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVAPD,
            ZYDIS_MNEMONIC_MOVNTDQ, ZYDIS_MNEMONIC_MOVNTDQA, ZYDIS_MNEMONIC_MOVNTPS, ZYDIS_MNEMONIC_MOVNTPD)
        enter(
            .moveVector(.unaligned), ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVUPD,
            ZYDIS_MNEMONIC_LDDQU)
        enter(.moveVector(.low(4)), ZYDIS_MNEMONIC_MOVD)
        enter(.moveVector(.low(8)), ZYDIS_MNEMONIC_MOVQ)
        enter(.moveVector(.scalar(4)), ZYDIS_MNEMONIC_MOVSS)

        let sets = [
            ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETNB, ZYDIS_MNEMONIC_SETZ,
            ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETNBE, ZYDIS_MNEMONIC_SETS,
            ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETNP, ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETNL,
            ZYDIS_MNEMONIC_SETLE, ZYDIS_MNEMONIC_SETNLE,
        ]
        let moves = [
            ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVNB,
            ZYDIS_MNEMONIC_CMOVZ, ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE,
            ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVNP,
            ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNLE,
        ]
        for (number, pair) in zip(sets, moves).enumerated() {
            let condition = Condition(number: UInt8(number))
            enter(.set(condition), pair.0)
            enter(.moveIf(condition), pair.1)
        }
        return table
    }()
}
