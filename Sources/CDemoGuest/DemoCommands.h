// A part of DemoGuest.S: input lines and the commands.

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
