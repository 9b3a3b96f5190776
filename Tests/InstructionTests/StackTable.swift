/// PUSH, POP, CALL and JMP through memory.
let stackTable = """
    push [rdi] | 64 | FF37 | rdi=A0010 | r A0010 8 1122334455667788 | rsp=7FF8 7FF8:8877665544332211
    push word [rdi] | 64 | 66FF37 | rdi=A0010 | r A0010 2 1234 | rsp=7FFE 7FFE:3412
    push [rsp+10] addresses with the old pointer | 64 | FF742410 | rsp=A0000 | r A0010 8 5 | rsp=9FFF8 9FFF8:05
    push [rdi] onto a device | 64 | FF37 | rdi=1000 rsp=A0010 1000:05 | w A0008 8 5 | rsp=A0008
    push rcx onto a device | 64 | 51 | rsp=A0010 rcx=1122334455667788 | w A0008 8 1122334455667788 | rsp=A0008
    push rsp pushes the old pointer | 64 | 54 | rsp=A0010 | w A0008 8 A0010 | rsp=A0008
    push r9 | 64 | 4151 | rsp=A0010 r9=5 | w A0008 8 5 | rsp=A0008
    push imm8 negative | 64 | 6AFF | rsp=A0010 | w A0008 8 FFFFFFFFFFFFFFFF | rsp=A0008
    push imm32 negative | 64 | 6800000080 | rsp=A0010 | w A0008 8 FFFFFFFF80000000 | rsp=A0008
    push imm16 | 64 | 66683412 | rsp=A0010 | w A000E 2 1234 | rsp=A000E
    push fs | 64 | 0FA0 | rsp=A0010 | w A0008 8 A000 | rsp=A0008
    pop [rdi] | 64 | 8F07 | rdi=A0010 8000:8877665544332211 | w A0010 8 1122334455667788 | rsp=8008
    pop word [rdi] | 64 | 668F07 | rdi=A0010 8000:3412 | w A0010 2 1234 | rsp=8002
    pop [rsp+8] addresses with the new pointer | 64 | 8F442408 | rsp=9FFF8 9FFF8:05 | w A0008 8 5 | rsp=A0000
    pop rcx from a device | 64 | 59 | rsp=A0010 | r A0010 8 5 | rsp=A0018 rcx=5
    pop rsp | 64 | 5C | rsp=A0010 | r A0010 8 5 | rsp=5
    pop cx | 64 | 6659 | rsp=A0010 rcx=FFFFFFFF | r A0010 2 5 | rsp=A0012 rcx=FFFF0005
    pop fs | 64 | 0FA1 | rsp=A0010 | | ?
    jmp [rdi] | 64 | FF27 | rdi=A0010 | r A0010 8 123456 | rip=123456
    jmp [rip+98400] | 64 | FF2500840900 | | r A0006 8 123456 | rip=123456
    jmp [rdi] not canonical | 64 | FF27 | rdi=A0010 | r A0010 8 8000000000000000 | !13:0
    call [rdi] | 64 | FF17 | rdi=A0010 | r A0010 8 123456 | rip=123456 rsp=7FF8 7FF8:027C
    call [rsp] addresses with the old pointer | 64 | FF1424 | rsp=A0010 | r A0010 8 123456 ; w A0008 8 7C03 | rip=123456 rsp=A0008
    call rel32 onto a device | 64 | E800010000 | rsp=A0010 | w A0008 8 7C05 | rip=7D05 rsp=A0008
    call rcx onto a device | 64 | FFD1 | rsp=A0010 rcx=5 | w A0008 8 7C02 | rip=5 rsp=A0008
    call far [rdi] | 64 | FF1F | rdi=A0010 | | ?
    push [edi] | 32 | FF37 | rdi=A0010 | r A0010 4 12345678 | rsp=7FFC 7FFC:78563412
    push ecx onto a device | 32 | 51 | rsp=A0010 | w A000C 4 01010101 | rsp=A000C
    push word onto a device | 32 | 6651 | rsp=A0010 | w A000E 2 0101 | rsp=A000E
    pop [edi] | 32 | 8F07 | rdi=A0010 8000:78563412 | w A0010 4 12345678 | rsp=8004
    call [edi] | 32 | FF17 | rdi=A0010 | r A0010 4 123456 | rip=123456 rsp=7FFC 7FFC:027C
    jmp [edi] | 32 | FF27 | rdi=A0010 | r A0010 4 80000000 | rip=80000000
    jmp word [edi] | 32 | 66FF27 | rdi=A0010 | r A0010 2 1234 | rip=1234
    push [di] | 16 | FF35 | rdi=10 | r A0010 2 1234 | rsp=7FFE 27FFE:3412
    push dword [di] | 16 | 66FF35 | rdi=10 | r A0010 4 12345678 | rsp=7FFC 27FFC:78563412
    pop [di] | 16 | 8F05 | rdi=10 28000:3412 | w A0010 2 1234 | rsp=8002
    call [di] | real | FF15 | rdi=10 | r A0010 2 1234 | rip=1234 rsp=7FFE 27FFE:027C
    jmp [di] | real | FF25 | rdi=10 | r A0010 2 1234 | rip=1234
    push es onto the stack | real | 06 | | | rsp=7FFE 27FFE:00B0
    """

/// Moves of XMM registers.
let vectorTable = """
    movd xmm1,[rdi] | 64 | 660F6E0F | rdi=A0010 | r A0010 4 12345678 | x1=00000000000000000000000012345678
    movq xmm1,[rdi] (6E) | 64 | 66480F6E0F | rdi=A0010 | r A0010 8 1122334455667788 | x1=00000000000000001122334455667788
    movq xmm1,[rdi] (7E) | 64 | F30F7E0F | rdi=A0010 | r A0010 8 1122334455667788 | x1=00000000000000001122334455667788
    movd [rdi],xmm1 | 64 | 660F7E0F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 4 0C0D0E0F |
    movq [rdi],xmm1 (7E) | 64 | 66480F7E0F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F |
    movq [rdi],xmm1 (D6) | 64 | 660FD60F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F |
    movss xmm1,[rdi] | 64 | F30F100F | rdi=A0010 | r A0010 4 12345678 | x1=00000000000000000000000012345678
    movss [rdi],xmm1 | 64 | F30F110F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 4 0C0D0E0F |
    movsd xmm1,[rdi] | 64 | F20F100F | rdi=A0010 | r A0010 8 1122334455667788 | x1=00000000000000001122334455667788
    movsd [rdi],xmm1 | 64 | F20F110F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F |
    movaps xmm1,[rdi] | 64 | 0F280F | rdi=A0010 | r A0010 8 1 ; r A0018 8 2 | x1=00000000000000020000000000000001
    movaps [rdi],xmm1 | 64 | 0F290F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F ; w A0018 8 0001020304050607 |
    movaps [rdi],xmm1 not aligned | 64 | 0F290F | rdi=A0018 | | !13:0
    movapd xmm9,[r10] | 64 | 66450F280A | r10=A0010 | r A0010 8 1 ; r A0018 8 2 | x9=00000000000000020000000000000001
    movups xmm1,[rdi] | 64 | 0F100F | rdi=A0011 | r A0011 8 1 ; r A0019 8 2 | x1=00000000000000020000000000000001
    movups [rdi],xmm1 | 64 | 0F110F | rdi=A0011 x1=000102030405060708090A0B0C0D0E0F | w A0011 8 08090A0B0C0D0E0F ; w A0019 8 0001020304050607 |
    movupd [rdi],xmm15 | 64 | 66440F113F | rdi=A0010 x15=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F ; w A0018 8 0001020304050607 |
    movdqa xmm1,[rdi] | 64 | 660F6F0F | rdi=A0010 | r A0010 8 1 ; r A0018 8 2 | x1=00000000000000020000000000000001
    movdqa xmm1,[rdi] not aligned | 64 | 660F6F0F | rdi=A0014 | | !13:0
    movdqa [rdi],xmm1 | 64 | 660F7F0F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F ; w A0018 8 0001020304050607 |
    movdqu xmm1,[rdi] | 64 | F30F6F0F | rdi=A0010 | r A0010 8 1 ; r A0018 8 2 | x1=00000000000000020000000000000001
    movdqu [rdi],xmm1 | 64 | F30F7F0F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F ; w A0018 8 0001020304050607 |
    movdqu [rdi],xmm1 over the end of a page | 64 | F30F7F0F | rdi=A0FFB x1=000102030405060708090A0B0C0D0E0F | w A0FFB 1 0F ; w A0FFC 4 0B0C0D0E ; w A1000 8 030405060708090A ; w A1008 2 0102 ; w A100A 1 00 |
    movdqu xmm1,[rdi] from memory into a device | 64 | F30F6F0F | rdi=9FFF8 9FFF8:0102030405060708 | r A0000 8 9 | x1=00000000000000090807060504030201
    movntdq [rdi],xmm1 | 64 | 660FE70F | rdi=A0010 x1=000102030405060708090A0B0C0D0E0F | w A0010 8 08090A0B0C0D0E0F ; w A0018 8 0001020304050607 |
    movntps [rdi],xmm1 not aligned | 64 | 0F2B0F | rdi=A0011 | | !13:0
    movntdqa xmm1,[rdi] | 64 | 660F382A0F | rdi=A0010 | r A0010 8 1 ; r A0018 8 2 | x1=00000000000000020000000000000001
    lddqu xmm1,[rdi] | 64 | F20FF00F | rdi=A0011 | r A0011 8 1 ; r A0019 8 2 | x1=00000000000000020000000000000001
    movups xmm1,[edi] | 32 | 0F100F | rdi=A0010 | r A0010 8 1 ; r A0018 8 2 | x1=00000000000000020000000000000001
    movd mm1,[rdi] is not emulated | 64 | 0F6E0F | rdi=A0010 | | ?
    vmovdqu xmm1,[rdi] is not emulated | 64 | C5FA6F0F | rdi=A0010 | | ?
    paddb xmm1,[rdi] is not emulated | 64 | 660FFC0F | rdi=A0010 | | ?
    """
