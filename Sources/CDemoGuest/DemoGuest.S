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

// AL = a byte of input: a line is edited as a terminal would, and carried out at its end.
take_byte:
        mov     last_byte(%rip), %cl
        mov     %al, last_byte(%rip)
        cmp     $13, %al
        je      line_done
        cmp     $10, %al
        je      take_line_feed
        cmp     $8, %al
        je      take_backspace
        cmp     $127, %al
        je      take_backspace
        cmp     $32, %al
        jb      1f
        mov     line_length(%rip), %ecx
        cmp     $LINE_SIZE-1, %ecx
        jae     1f
        lea     LINE_OFFSET+hv_demo_guest_start(%rip), %rdi
        mov     %al, (%rdi,%rcx)
        inc     %ecx
        mov     %ecx, line_length(%rip)
        jmp     putc
1:      ret
take_line_feed:
        cmp     $13, %cl            // CR LF is one end of line
        jne     line_done
        ret
take_backspace:
        cmpl    $0, line_length(%rip)
        je      1b
        decl    line_length(%rip)
        lea     text_erase(%rip), %rsi
        jmp     puts

line_done:
        call    new_line
        lea     LINE_OFFSET+hv_demo_guest_start(%rip), %rsi
        mov     line_length(%rip), %ecx
        movb    $0, (%rsi,%rcx)
        movl    $0, line_length(%rip)
        cmpb    $0, (%rsi)
        je      prompt
        lea     commands(%rip), %rbp
next_command:
        mov     (%rbp), %eax
        test    %eax, %eax
        jz      unknown_command
        lea     hv_demo_guest_start(%rip), %rdi
        add     %rax, %rdi
        lea     LINE_OFFSET+hv_demo_guest_start(%rip), %rsi
1:      mov     (%rdi), %al
        test    %al, %al
        jz      2f
        cmp     (%rsi), %al
        jne     3f
        inc     %rdi
        inc     %rsi
        jmp     1b
2:      cmpb    $0, (%rsi)          // the whole word must match
        je      4f
        cmpb    $32, (%rsi)
        je      4f
3:      add     $8, %rbp
        jmp     next_command
4:      cmpb    $32, (%rsi)         // RSI = the argument
        jne     5f
        inc     %rsi
        jmp     4b
5:      mov     4(%rbp), %eax
        lea     hv_demo_guest_start(%rip), %rdi
        add     %rdi, %rax
        call    *%rax
        jmp     prompt
unknown_command:
        lea     text_unknown(%rip), %rsi
        call    puts
prompt:
        lea     text_prompt(%rip), %rsi
        jmp     puts

command_help:
        lea     text_help(%rip), %rsi
        jmp     puts

command_echo:
        call    puts
        jmp     new_line

command_time:
        lea     text_time(%rip), %rsi
        call    puts
        rdtsc
        shl     $32, %rdx
        mov     %eax, %eax
        or      %rdx, %rax
        call    put_hex
        jmp     new_line

// Adds up the RAM of hvm_start_info's memory map (type 1).
command_mem:
        lea     text_memory(%rip), %rsi
        call    puts
        xor     %eax, %eax
        mov     start_info(%rip), %rdi
        cmpl    $0x336EC578, (%rdi)
        jne     2f
        mov     48(%rdi), %ecx      // entries of 24 bytes: address, size, type
        cmp     $128, %ecx
        ja      2f
        mov     40(%rdi), %rdi
1:      test    %ecx, %ecx
        jz      2f
        dec     %ecx
        add     $24, %rdi
        cmpl    $1, -8(%rdi)
        jne     1b
        add     -16(%rdi), %rax
        jmp     1b
2:      shr     $20, %rax
        call    put_decimal
        lea     text_mebibytes(%rip), %rsi
        jmp     puts

// Fills a buffer with a pattern and sums it up again.
command_sum:
        lea     BUFFER_OFFSET+hv_demo_guest_start(%rip), %rdi
        mov     $BUFFER_WORDS, %ecx
        mov     $PATTERN, %rdx
        xor     %eax, %eax
1:      mov     %rax, (%rdi)
        add     %rdx, %rax
        add     $8, %rdi
        dec     %ecx
        jnz     1b
        mov     $BUFFER_WORDS, %ecx
        xor     %eax, %eax
2:      sub     $8, %rdi
        add     (%rdi), %rax
        dec     %ecx
        jnz     2b
        mov     %rax, %rdi
        mov     $PATTERN_SUM, %rdx
        lea     text_sum_ok(%rip), %rsi
        cmp     %rdx, %rax
        je      3f
        lea     text_sum_wrong(%rip), %rsi
3:      call    puts
        mov     %rdi, %rax
        call    put_hex
        jmp     new_line

// Deaf to the serial port from now on; the power button still works.
command_halt:
        lea     text_halted(%rip), %rsi
        call    puts
        movb    $1, halted(%rip)
        mov     $COM1+1, %dx
        xor     %eax, %eax
        out     %al, %dx
        jmp     main_loop

command_poweroff:
        mov     $PORT_SLEEP, %dx
        mov     $0x34, %al
        out     %al, %dx
        jmp     stop

command_reset:
        mov     $PORT_RESET, %dx
        mov     $1, %al
        out     %al, %dx
        // The machine stops us; an endless HLT is what is left where it does not.
stop:   cli
        hlt
        jmp     stop

// An exception without any handler: triple fault.
command_crash:
        lidt    no_idt(%rip)
        ud2

// RSI = the result in decimal, modulo 256.
command_exit:
        xor     %eax, %eax
1:      movzbl  (%rsi), %ecx
        sub     $48, %ecx
        cmp     $9, %ecx
        ja      2f
        lea     (%rax,%rax,4), %eax
        lea     (%rcx,%rax,2), %eax
        inc     %rsi
        jmp     1b
2:      out     %al, $PORT_EXIT
        ret

// Uses up processor time until the next interrupt (a key, the power button) goes to the main loop.
command_spin:
        lea     text_spinning(%rip), %rsi
        call    puts
        call    prompt
        cmpb    $0, interrupts_work(%rip)
        je      2f
        sti
1:      pause
        jmp     1b
2:      mov     $COM1+5, %dx
        in      %dx, %al
        test    $LSR_DATA, %al
        jz      2b
        jmp     main_loop

// Starts all other processors: each counts itself and halts.
command_smp:
        lea     trampoline(%rip), %rsi
        mov     $TRAMPOLINE, %edi
        mov     $trampoline_end-trampoline, %ecx
        rep movsb
        mov     $CPU_COUNTER, %edi
        movl    $0, (%rdi)
        mov     $APIC, %edi
        movl    $0xC4500, 0x300(%rdi)                       // INIT to all but us
        mov     $0x1000000, %rcx                            // some milliseconds
        call    wait_ticks
        movl    $0xC4600|(TRAMPOLINE>>12), 0x300(%rdi)      // start-up at TRAMPOLINE
        mov     $0x10000000, %rcx                           // about a tenth of a second
        call    wait_ticks
        lea     text_cpus(%rip), %rsi
        call    puts
        mov     $CPU_COUNTER, %edi
        mov     (%rdi), %eax
        inc     %eax
        call    put_decimal
        jmp     new_line

// RCX = ticks of the time stamp counter.
wait_ticks:
        call    read_ticks
        add     %rax, %rcx
1:      pause
        call    read_ticks
        cmp     %rcx, %rax
        jb      1b
        ret
read_ticks:
        rdtsc
        shl     $32, %rdx
        mov     %eax, %eax
        or      %rdx, %rax
        ret

// AL = byte. Changes RAX and RDX.
putc:
        mov     %al, %ah
        mov     $COM1+5, %dx
1:      in      %dx, %al
        test    $LSR_ROOM, %al
        jz      1b
        mov     %ah, %al
        mov     $COM1, %dx
        out     %al, %dx
        ret

// RSI = text that ends with a zero byte. Changes RAX, RDX and RSI.
puts:
        mov     (%rsi), %al
        inc     %rsi
        test    %al, %al
        jz      1f
        call    putc
        jmp     puts
1:      ret

new_line:
        lea     text_new_line(%rip), %rsi
        jmp     puts

// RAX = number. Changes RAX, RCX, RDX and RSI.
put_hex:
        mov     %rax, %rsi
        mov     $16, %ecx
1:      rol     $4, %rsi
        mov     %esi, %eax
        and     $15, %eax
        add     $48, %eax
        cmp     $58, %eax
        jb      2f
        add     $39, %eax
2:      call    putc
        dec     %ecx
        jnz     1b
        ret

// RAX = number. Changes RAX, RCX, RDX and RSI.
put_decimal:
        mov     $10, %ecx
        xor     %esi, %esi          // digits on the stack
1:      xor     %edx, %edx
        div     %rcx
        push    %rdx
        inc     %esi
        test    %rax, %rax
        jnz     1b
2:      pop     %rax
        add     $48, %eax
        call    putc
        dec     %esi
        jnz     2b
        ret

// Copied to TRAMPOLINE; runs in real mode with CS = TRAMPOLINE >> 4.
        .code16
trampoline:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        lock incl CPU_COUNTER
1:      hlt
        jmp     1b
trampoline_end:
        .code64

        .balign 8
commands:                           // name, handler: offsets from the image's start
        .long   name_help - hv_demo_guest_start, command_help - hv_demo_guest_start
        .long   name_sum - hv_demo_guest_start, command_sum - hv_demo_guest_start
        .long   name_mem - hv_demo_guest_start, command_mem - hv_demo_guest_start
        .long   name_echo - hv_demo_guest_start, command_echo - hv_demo_guest_start
        .long   name_halt - hv_demo_guest_start, command_halt - hv_demo_guest_start
        .long   name_poweroff - hv_demo_guest_start, command_poweroff - hv_demo_guest_start
        .long   name_reset - hv_demo_guest_start, command_reset - hv_demo_guest_start
        .long   name_crash - hv_demo_guest_start, command_crash - hv_demo_guest_start
        .long   name_exit - hv_demo_guest_start, command_exit - hv_demo_guest_start
        .long   name_spin - hv_demo_guest_start, command_spin - hv_demo_guest_start
        .long   name_time - hv_demo_guest_start, command_time - hv_demo_guest_start
        .long   name_smp - hv_demo_guest_start, command_smp - hv_demo_guest_start
        .long   0, 0
name_help:      .asciz "help"
name_sum:       .asciz "sum"
name_mem:       .asciz "mem"
name_echo:      .asciz "echo"
name_halt:      .asciz "halt"
name_poweroff:  .asciz "poweroff"
name_reset:     .asciz "reset"
name_crash:     .asciz "crash"
name_exit:      .asciz "exit"
name_spin:      .asciz "spin"
name_time:      .asciz "time"
name_smp:       .asciz "smp"

text_banner:    .asciz "hvroot demo guest\r\n"
text_memory:    .asciz "memory "
text_mebibytes: .asciz " MiB\r\n"
text_sum_ok:    .asciz "sum ok 0x"
text_sum_wrong: .asciz "sum wrong 0x"
text_polling:   .asciz "no interrupts here: polling\r\n"
text_prompt:    .asciz "ready> "
text_unknown:   .asciz "?\r\n"
text_new_line:  .asciz "\r\n"
text_erase:     .asciz "\b \b"
text_time:      .asciz "time 0x"
text_cpus:      .asciz "cpus "
text_halted:    .asciz "halted\r\n"
text_spinning:  .asciz "spinning until a key comes\r\n"
text_power_button: .asciz "power button\r\n"
text_help:
        .ascii  "help            this list\r\n"
        .ascii  "sum             fills 64 KiB and sums them\r\n"
        .ascii  "mem             the memory of the machine's map\r\n"
        .ascii  "echo TEXT       prints TEXT\r\n"
        .ascii  "time            the time stamp counter\r\n"
        .ascii  "smp             starts the other processors and counts them\r\n"
        .ascii  "spin            uses the processor until a key comes\r\n"
        .ascii  "halt            waits for the power button only\r\n"
        .ascii  "poweroff        powers the machine off\r\n"
        .ascii  "reset           resets the machine\r\n"
        .ascii  "exit N          writes N to the debug exit port\r\n"
        .asciz  "crash           makes a triple fault\r\n"

// What changes lies in the image too: it is a copy in the guest's memory.
        .balign 16
gdt:
        .quad   0
        .quad   0x00AF9B000000FFFF  // 0x08: 64-bit code
        .quad   0x00CF93000000FFFF  // 0x10: data
gdt_pointer:
        .word   23
        .quad   0
idt_pointer:
        .word   VECTORS*16-1
        .quad   0
no_idt: .word   0
        .quad   0
        .balign 8
start_info:     .quad 0
saved_stack:    .quad 0
line_length:    .long 0
halted:         .byte 0
interrupts_work: .byte 0
last_byte:      .byte 0
hv_demo_guest_end:
        .section .note.GNU-stack,"",@progbits
