#define _GNU_SOURCE
#include "CNativeInstruction.h"

#include <cpuid.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(offsetof(struct native_state, rflags) == 128, "the assembler below knows it");
_Static_assert(offsetof(struct native_state, xmm) == 136, "the assembler below knows it");

void native_enter(struct native_state *state, void *code);
extern char native_return[];

__asm__(
    ".pushsection .bss\n"
    ".balign 8\n"
    "native_registers: .skip 8\n"
    "native_stack: .skip 8\n"
    "native_code: .skip 8\n"
    "native_rdi: .skip 8\n"
    ".popsection\n"
    ".pushsection .text\n"
    ".globl native_enter, native_return\n"
    ".type native_enter, @function\n"
    "native_enter:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov %rdi, native_registers(%rip)\n"
    "  mov %rsi, native_code(%rip)\n"
    "  mov %rsp, native_stack(%rip)\n"
    "  .set number, 0\n"
    "  .altmacro\n"
    "  .macro load_vector number\n"
    "  movdqu 136+16*\\number(%rdi), %xmm\\number\n"
    "  .endm\n"
    "  .macro save_vector number\n"
    "  movdqu %xmm\\number, 136+16*\\number(%rdi)\n"
    "  .endm\n"
    "  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "  load_vector \\n\n"
    "  .endr\n"
    "  pushq 128(%rdi); popfq\n"
    "  mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
    "  mov 32(%rdi), %rsp; mov 40(%rdi), %rbp; mov 48(%rdi), %rsi\n"
    "  mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
    "  mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
    "  mov 56(%rdi), %rdi\n"
    "  jmp *native_code(%rip)\n"
    "native_return:\n"
    "  mov %rdi, native_rdi(%rip)\n"
    "  mov native_registers(%rip), %rdi\n"
    "  mov %rax, 0(%rdi); mov %rcx, 8(%rdi); mov %rdx, 16(%rdi); mov %rbx, 24(%rdi)\n"
    "  mov %rsp, 32(%rdi); mov %rbp, 40(%rdi); mov %rsi, 48(%rdi)\n"
    "  mov %r8, 64(%rdi); mov %r9, 72(%rdi); mov %r10, 80(%rdi); mov %r11, 88(%rdi)\n"
    "  mov %r12, 96(%rdi); mov %r13, 104(%rdi); mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
    "  mov native_rdi(%rip), %rax; mov %rax, 56(%rdi)\n"
    "  mov native_stack(%rip), %rsp\n"
    "  pushfq; popq 128(%rdi)\n"
    "  cld\n"
    "  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "  save_vector \\n\n"
    "  .endr\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n"
    "  .noaltmacro\n"
    "  .purgem load_vector\n"
    "  .purgem save_vector\n"
    ".popsection\n");

void *native_memory(uint64_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void native_run(struct native_state *state, uint8_t *code, const uint8_t *bytes, uint64_t length) {
    // What follows the instruction: jmp *0(%rip), and the address to go to.
    static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
    if (length > 15) return;
    void *back = native_return;
    memcpy(code, bytes, length);
    memcpy(code + length, jump, sizeof jump);
    memcpy(code + length + sizeof jump, &back, sizeof back);
    native_enter(state, code);
}

int native_has_movbe(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 22 & 1);
}
