// A part of DemoGuest.S: output, and the code of the other processors.

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
