#pragma once
#include <Zydis/Zydis.h>
#include <string.h>

// What the instruction emulator needs of a decoded instruction, flat: Zydis's own structures hold unions and its
// conditions are macros, neither of which Swift can use well.

enum czydis_outcome {
    CZYDIS_DECODED,
    CZYDIS_CUT_OFF,      // more bytes are needed
    CZYDIS_TOO_LONG,     // more than 15 bytes
    CZYDIS_BAD_LOCK,     // LOCK before something that can't be locked
    CZYDIS_UNKNOWN,
};

enum czydis_operand_kind {
    CZYDIS_NONE,
    CZYDIS_GENERAL,      // reg: number 0 to 15
    CZYDIS_HIGH_BYTE,    // reg: 0 to 3 for AH, CH, DH, BH
    CZYDIS_VECTOR,       // reg: XMM0 to XMM15
    CZYDIS_SEGMENT,      // reg: ES, CS, SS, DS, FS, GS in the order of their numbers
    CZYDIS_MEMORY,
    CZYDIS_IMMEDIATE,
    CZYDIS_OTHER,
};

#define CZYDIS_NO_REGISTER 0xff
#define CZYDIS_INSTRUCTION_POINTER 0xfe

typedef struct czydis_operand {
    uint8_t kind;
    uint8_t reg;
    uint16_t bits;
    uint8_t segment;        // memory: as with CZYDIS_SEGMENT
    uint8_t base, index;    // memory: number, CZYDIS_NO_REGISTER or CZYDIS_INSTRUCTION_POINTER
    uint8_t scale;
    uint64_t value;         // displacement or immediate, sign-extended
} czydis_operand;

typedef struct czydis_instruction {
    uint16_t mnemonic;
    uint8_t length;
    uint8_t opcode;
    uint8_t is_legacy;      // neither VEX, EVEX, XOP nor 3DNow!
    uint8_t is_far;
    uint8_t operand_width, address_width;
    uint8_t repeat_prefix;  // 0xf2, 0xf3 or 0: the last of them
    uint8_t has_lock;
    uint8_t count, visible;
    czydis_operand operands[ZYDIS_MAX_OPERAND_COUNT];
} czydis_instruction;

static inline uint8_t czydis_general(ZydisRegister reg) {
    if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) return (uint8_t)(reg - ZYDIS_REGISTER_AX);
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) return (uint8_t)(reg - ZYDIS_REGISTER_EAX);
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) return (uint8_t)(reg - ZYDIS_REGISTER_RAX);
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP || reg == ZYDIS_REGISTER_IP)
        return CZYDIS_INSTRUCTION_POINTER;
    return CZYDIS_NO_REGISTER;
}

static inline void czydis_register_operand(ZydisRegister reg, czydis_operand *out) {
    out->kind = CZYDIS_GENERAL;
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL) out->reg = (uint8_t)(reg - ZYDIS_REGISTER_AL);
    else if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
        out->kind = CZYDIS_HIGH_BYTE;
        out->reg = (uint8_t)(reg - ZYDIS_REGISTER_AH);
    } else if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        out->reg = (uint8_t)(reg - ZYDIS_REGISTER_SPL + 4);
    else if (czydis_general(reg) < 16) out->reg = czydis_general(reg);
    else if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM15) {
        out->kind = CZYDIS_VECTOR;
        out->reg = (uint8_t)(reg - ZYDIS_REGISTER_XMM0);
    } else if (reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS) {
        out->kind = CZYDIS_SEGMENT;
        out->reg = (uint8_t)(reg - ZYDIS_REGISTER_ES);
    } else out->kind = CZYDIS_OTHER;
}

static inline void czydis_flatten(const ZydisDecodedOperand *in, czydis_operand *out) {
    memset(out, 0, sizeof *out);
    out->bits = in->size;
    switch (in->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: czydis_register_operand(in->reg.value, out); break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        // Address generation alone (LEA) and the vector forms are not accesses that the emulator makes.
        out->kind = in->mem.type == ZYDIS_MEMOP_TYPE_MEM ? CZYDIS_MEMORY : CZYDIS_OTHER;
        out->segment = in->mem.segment >= ZYDIS_REGISTER_ES && in->mem.segment <= ZYDIS_REGISTER_GS
            ? (uint8_t)(in->mem.segment - ZYDIS_REGISTER_ES) : (uint8_t)(ZYDIS_REGISTER_DS - ZYDIS_REGISTER_ES);
        out->base = czydis_general(in->mem.base);
        out->index = czydis_general(in->mem.index);
        out->scale = in->mem.scale;
        out->value = in->mem.disp.has_displacement ? (uint64_t)in->mem.disp.value : 0;
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        out->kind = CZYDIS_IMMEDIATE;
        out->value = in->imm.value.u;
        break;
    default: out->kind = CZYDIS_OTHER; break;
    }
}

/// Decodes the instruction at the start of `code`.
static inline enum czydis_outcome czydis_decode(
    ZydisMachineMode mode, const uint8_t *code, size_t length, czydis_instruction *out) {
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisStackWidth stack = mode == ZYDIS_MACHINE_MODE_LONG_64 ? ZYDIS_STACK_WIDTH_64
        : mode == ZYDIS_MACHINE_MODE_LONG_COMPAT_32 || mode == ZYDIS_MACHINE_MODE_LEGACY_32 ? ZYDIS_STACK_WIDTH_32
        : ZYDIS_STACK_WIDTH_16;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, mode, stack))) return CZYDIS_UNKNOWN;
    if (length == 0) return CZYDIS_CUT_OFF;
    ZyanStatus status = ZydisDecoderDecodeFull(&decoder, code, length, &instruction, operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA) return CZYDIS_CUT_OFF;
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) return CZYDIS_TOO_LONG;
    if (status == ZYDIS_STATUS_ILLEGAL_LOCK) return CZYDIS_BAD_LOCK;
    if (!ZYAN_SUCCESS(status)) return CZYDIS_UNKNOWN;

    memset(out, 0, sizeof *out);
    out->mnemonic = (uint16_t)instruction.mnemonic;
    out->length = instruction.length;
    out->opcode = instruction.opcode;
    out->is_legacy = instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    out->is_far = instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    out->operand_width = instruction.operand_width;
    out->address_width = instruction.address_width;
    out->has_lock = (instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
    for (int i = 0; i < instruction.raw.prefix_count; i++) {
        uint8_t prefix = instruction.raw.prefixes[i].value;
        if (prefix == 0xf2 || prefix == 0xf3) out->repeat_prefix = prefix;
    }
    out->count = instruction.operand_count;
    out->visible = instruction.operand_count_visible;
    for (int i = 0; i < out->count && i < ZYDIS_MAX_OPERAND_COUNT; i++) czydis_flatten(&operands[i], &out->operands[i]);
    return CZYDIS_DECODED;
}

static inline czydis_operand czydis_operand_at(const czydis_instruction *instruction, int i) {
    return instruction->operands[i];
}
