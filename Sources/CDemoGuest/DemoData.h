// A part of DemoGuest.S: the table of commands, the texts, and what changes.

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
