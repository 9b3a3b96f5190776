// The demo guest: prints on the serial port, reads commands from it, sums memory, halts and powers off.
//
// How it is entered: see CDemoGuest.h. All addresses are relative to RIP, so the image may lie in any .rodata here and
// at HV_DEMO_GUEST_LOAD_ADDRESS there.
//
// It must run on a KVM that only emulates, where IRETQ does not work. So no interrupt handler returns: a handler ends
// the interrupt, takes a fresh stack and goes to the main loop, which looks at the devices again. Interrupts are on
// in two places only (waiting for input, and the command "spin"), so nothing is lost by that.
//
// Command lines: help sum mem echo halt poweroff reset crash exit spin time smp.

#define COM1            0x3F8       // data; +1 IER, +2 FCR, +3 LCR, +4 MCR, +5 LSR
#define LSR_DATA        0x01
#define LSR_ROOM        0x20
#define PORT_SLEEP      0x600       // ACPI sleep control: 0x34 = SLP_EN | SLP_TYP 5
#define PORT_RESET      0x602       // 1 resets the machine
#define PORT_EVENTS     0x608       // pending events, cleared by reading: bit 0 is the power button
#define PORT_EXIT       0xF4        // debug exit: the byte written is the guest's result
#define IOAPIC          0xFEC00000
#define APIC            0xFEE00000
#define PIN_SERIAL      4
#define PIN_EVENTS      16
#define VECTOR_SERIAL   0x30
#define VECTOR_EVENTS   0x31
#define VECTOR_TEST     0x32
#define VECTORS         0x40

// Memory behind the image, as offsets from its start.
#define IDT_OFFSET      0x10000
#define LINE_OFFSET     0x11000
#define LINE_SIZE       120
#define STACK_OFFSET    0x18000     // grows down
#define BUFFER_OFFSET   0x20000
#define BUFFER_WORDS    8192        // 64 KiB
#define PATTERN         0x9E3779B97F4A7C15
#define PATTERN_SUM     0xFB62FD03823EB000  // PATTERN * (0 + 1 + ... + 8191), modulo 2^64

// Where other processors start, in real mode; the page's second part holds their counter.
#define TRAMPOLINE      0x8000
#define CPU_COUNTER     0x8100

        .section .rodata
        .balign 64
        .globl  hv_demo_guest_start
        .globl  hv_demo_guest_end
        .code64

hv_demo_guest_start:
        cli
        cld
        lea     STACK_OFFSET+hv_demo_guest_start(%rip), %rsp
        mov     %rbx, start_info(%rip)
        // After a reset the image may be what the last run left.
        movl    $0, line_length(%rip)
        movb    $0, halted(%rip)
        movb    $0, last_byte(%rip)

        // A GDT of our own: delivering an interrupt reads the code segment's descriptor from memory.
        lea     gdt(%rip), %rax
        mov     %rax, gdt_pointer+2(%rip)
        lgdt    gdt_pointer(%rip)
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        pushq   $0x08
        lea     in_own_segment(%rip), %rax
        pushq   %rax
        lretq
in_own_segment:

        // 115200 baud, 8N1, FIFOs on and empty, OUT2 (which lets the interrupt through), receive interrupt off yet.
        mov     $COM1+1, %dx
        xor     %eax, %eax
        out     %al, %dx
        mov     $COM1+3, %dx
        mov     $0x83, %al
        out     %al, %dx
        mov     $COM1, %dx
        mov     $1, %al
        out     %al, %dx
        mov     $COM1+1, %dx
        xor     %eax, %eax
        out     %al, %dx
        mov     $COM1+3, %dx
        mov     $0x03, %al
        out     %al, %dx
        mov     $COM1+2, %dx
        mov     $0x07, %al
        out     %al, %dx
        mov     $COM1+4, %dx
        mov     $0x0B, %al
        out     %al, %dx

        lea     text_banner(%rip), %rsi
        call    puts
        call    command_mem
        call    command_sum
        call    set_up_interrupts

        mov     $COM1+1, %dx
        mov     $0x01, %al
        out     %al, %dx
        lea     text_prompt(%rip), %rsi
        call    puts

// The main loop: take what the serial port has, then wait for an interrupt. Every handler comes here.
main_loop:
        cli
        lea     STACK_OFFSET+hv_demo_guest_start(%rip), %rsp
next_byte:
        cmpb    $0, halted(%rip)
        jne     idle
        mov     $COM1+5, %dx
        in      %dx, %al
        test    $LSR_DATA, %al
        jz      idle
        mov     $COM1, %dx
        in      %dx, %al
        call    take_byte
        jmp     next_byte
idle:
        cmpb    $0, interrupts_work(%rip)
        je      poll
        sti                         // takes effect after the next instruction, so no interrupt falls between them
        hlt
        jmp     main_loop
poll:   // No interrupt reaches this processor: look at the event port too.
        mov     $PORT_EVENTS, %dx
        in      %dx, %al
        test    $1, %al
        jnz     power_button
        mov     $2000, %ecx
1:      pause
        dec     %ecx
        jnz     1b
        jmp     next_byte

serial_interrupt:
        call    end_of_interrupt
        jmp     main_loop
event_interrupt:
        call    end_of_interrupt
        mov     $PORT_EVENTS, %dx
        in      %dx, %al
        test    $1, %al
        jz      main_loop
power_button:
        lea     text_power_button(%rip), %rsi
        call    puts
        jmp     command_poweroff
test_interrupt:
        call    end_of_interrupt
        movb    $1, interrupts_work(%rip)
        jmp     after_test

end_of_interrupt:
        mov     $APIC+0xB0, %eax
        movl    $0, (%rax)
        ret

// IDT, local APIC, I/O APIC; then one interrupt to ourselves, to see whether they arrive.
set_up_interrupts:
        lea     IDT_OFFSET+hv_demo_guest_start(%rip), %rdi
        mov     $VECTORS*2, %ecx
        xor     %eax, %eax
        rep stosq
        lea     serial_interrupt(%rip), %rax
        mov     $VECTOR_SERIAL, %ecx
        call    set_gate
        lea     event_interrupt(%rip), %rax
        mov     $VECTOR_EVENTS, %ecx
        call    set_gate
        lea     test_interrupt(%rip), %rax
        mov     $VECTOR_TEST, %ecx
        call    set_gate
        lea     IDT_OFFSET+hv_demo_guest_start(%rip), %rax
        mov     %rax, idt_pointer+2(%rip)
        lidt    idt_pointer(%rip)

        mov     $APIC, %eax
        movl    $0x1FF, 0xF0(%rax)  // software enable, spurious vector 0xFF
        movl    $0, 0x80(%rax)      // all priorities
        mov     $PIN_SERIAL, %ecx
        mov     $VECTOR_SERIAL, %edx
        call    route_pin
        mov     $PIN_EVENTS, %ecx
        mov     $VECTOR_EVENTS, %edx
        call    route_pin

        movb    $0, interrupts_work(%rip)
        mov     %rsp, saved_stack(%rip)
        mov     $APIC, %eax
        movl    $0x40000|VECTOR_TEST, 0x300(%rax)
        mov     $1000, %ecx
        sti
1:      pause
        dec     %ecx
        jnz     1b
after_test:
        cli
        mov     saved_stack(%rip), %rsp
        cmpb    $0, interrupts_work(%rip)
        jne     2f
        lea     text_polling(%rip), %rsi
        call    puts
2:      ret

// RAX = handler, ECX = vector. A 64-bit interrupt gate.
set_gate:
        shl     $4, %ecx
        lea     IDT_OFFSET+hv_demo_guest_start(%rip), %rdi
        add     %rcx, %rdi
        mov     %ax, (%rdi)
        movw    $0x08, 2(%rdi)
        movw    $0x8E00, 4(%rdi)
        shr     $16, %rax
        mov     %ax, 6(%rdi)
        shr     $16, %rax
        mov     %eax, 8(%rdi)
        ret

// ECX = pin, EDX = vector. Edge triggered, active high, fixed, to APIC id 0.
route_pin:
        mov     $IOAPIC, %edi
        lea     0x11(%rcx,%rcx), %eax
        mov     %eax, (%rdi)
        movl    $0, 0x10(%rdi)
        lea     0x10(%rcx,%rcx), %eax
        mov     %eax, (%rdi)
        mov     %edx, 0x10(%rdi)
        ret

#include "DemoCommands.h"
#include "DemoPrinting.h"
#include "DemoData.h"
hv_demo_guest_end:
        .section .note.GNU-stack,"",@progbits
