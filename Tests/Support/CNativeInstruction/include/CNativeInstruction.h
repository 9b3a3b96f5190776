#pragma once
#include <stdint.h>

/// The registers that an instruction starts with and, afterwards, left.
struct native_state {
    uint64_t general[16];  // RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15
    uint64_t rflags;
    uint64_t xmm[32];
};

/// Executable, writable memory below 2 GiB, so that every addressing form reaches it; null when there is none.
void *native_memory(uint64_t size);

/// Runs `length` bytes (at most 15) of an instruction that does not branch, at `code`, in native_memory with room for
/// 32 bytes. Not reentrant. A fault of the instruction is a fault of this process.
void native_run(struct native_state *state, uint8_t *code, const uint8_t *bytes, uint64_t length);

/// Whether this processor has MOVBE.
int native_has_movbe(void);
