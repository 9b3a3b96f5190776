/// MOV with every size, direction and form of address, MOVNTI and MOVBE.
let moveTable = """
    mov [rdi],al | 64 | 8807 | rdi=A0010 rax=1122334455667788 | w A0010 1 88 |
    mov [rdi],ax | 64 | 668907 | rdi=A0010 rax=1122334455667788 | w A0010 2 7788 |
    mov [rdi],eax | 64 | 8907 | rdi=A0010 rax=1122334455667788 | w A0010 4 55667788 |
    mov [rdi],rax | 64 | 488907 | rdi=A0010 rax=1122334455667788 | w A0010 8 1122334455667788 |
    mov al,[rdi] | 64 | 8A07 | rdi=A0010 rax=1122334455667788 | r A0010 1 FF | rax=11223344556677FF
    mov ax,[rdi] | 64 | 668B07 | rdi=A0010 rax=1122334455667788 | r A0010 2 FEDC | rax=112233445566FEDC
    mov eax,[rdi] | 64 | 8B07 | rdi=A0010 rax=1122334455667788 | r A0010 4 89ABCDEF | rax=89ABCDEF
    mov rax,[rdi] | 64 | 488B07 | rdi=A0010 | r A0010 8 89ABCDEF01234567 | rax=89ABCDEF01234567
    mov ah,[rdi] | 64 | 8A27 | rdi=A0010 rax=1122334455667788 | r A0010 1 EE | rax=112233445566EE88
    mov spl,[rdi] | 64 | 408A27 | rdi=A0010 rsp=8888 | r A0010 1 EE | rsp=88EE
    mov [rdi],ah | 64 | 8827 | rdi=A0010 rax=1234 | w A0010 1 12 |
    mov [rdi],ch | 64 | 882F | rdi=A0010 rcx=1234 | w A0010 1 12 |
    mov [rdi],dh | 64 | 8837 | rdi=A0010 rdx=1234 | w A0010 1 12 |
    mov [rdi],bh | 64 | 883F | rdi=A0010 rbx=1234 | w A0010 1 12 |
    mov [rdi],spl | 64 | 408827 | rdi=A0010 rsp=8765 | w A0010 1 65 |
    mov [rdi],bpl | 64 | 40882F | rdi=A0010 | w A0010 1 05 |
    mov [rdi],sil | 64 | 408837 | rdi=A0010 | w A0010 1 06 |
    mov [rdi],dil | 64 | 40883F | rdi=A0010 | w A0010 1 10 |
    mov [r9],r8b | 64 | 458801 | r9=A0010 | w A0010 1 08 |
    mov [r15],r14d | 64 | 458937 | r15=A0010 | w A0010 4 0E0E0E0E |
    mov r10,[r11] | 64 | 4D8B13 | r11=A0010 | r A0010 8 1 | r10=1
    mov r10d,[r11] | 64 | 458B13 | r11=A0010 | r A0010 4 FFFFFFFF | r10=FFFFFFFF
    mov [r12],eax | 64 | 41890424 | r12=A0010 | w A0010 4 0 |
    mov [r13+0],ecx | 64 | 41894D00 | r13=A0010 | w A0010 4 01010101 |
    mov [rsp+10],ecx | 64 | 894C2410 | rsp=A0000 | w A0010 4 01010101 |
    mov [rbp-10],ecx | 64 | 894DF0 | rbp=A0010 | w A0000 4 01010101 |
    mov [rdi+12345],ecx | 64 | 898F45230100 | rdi=90000 | w A2345 4 01010101 |
    mov [rdi-12345],ecx | 64 | 898FBBDCFEFF | rdi=B2345 | w A0000 4 01010101 |
    mov [rbx+rsi*1],edx | 64 | 891433 | rbx=A0000 rsi=4 | w A0004 4 02020202 |
    mov [rbx+rsi*2],edx | 64 | 891473 | rbx=A0000 rsi=4 | w A0008 4 02020202 |
    mov [rbx+rsi*4+8],edx | 64 | 8954B308 | rbx=A0000 rsi=4 | w A0018 4 02020202 |
    mov [rbx+rsi*8+100],edx | 64 | 8994F300010000 | rbx=A0000 rsi=4 | w A0120 4 02020202 |
    mov [rbx+r12*8],edx | 64 | 428914E3 | rbx=A0000 r12=2 | w A0010 4 02020202 |
    mov [rsi*8+A0000],edx | 64 | 8914F500000A00 | rsi=3 | w A0018 4 02020202 |
    mov [rbx+rsi*8],edx, index negative | 64 | 8914F3 | rbx=A0010 rsi=FFFFFFFFFFFFFFFF | w A0008 4 02020202 |
    mov [abs A0040],ecx | 64 | 890C2540000A00 | | w A0040 4 01010101 |
    mov [rip+98400],ecx | 64 | 890D00840900 | | w A0006 4 01010101 |
    mov eax,[rip+98400] | 64 | 8B0500840900 | | r A0006 4 77 | rax=77
    mov dword [rip+98400],imm32 | 64 | C7050084090078563412 | | w A000A 4 12345678 |
    mov word [rip+98400],imm16 | 64 | 66C705008409003412 | | w A0009 2 1234 |
    mov byte [rip+98400],imm8 | 64 | C6050084090012 | | w A0007 1 12 |
    mov [eip+98400],ecx | 64 | 67890D00840900 | | w A0007 4 01010101 |
    mov byte [rdi],imm8 | 64 | C607A5 | rdi=A0010 | w A0010 1 A5 |
    mov word [rdi],imm16 | 64 | 66C7073412 | rdi=A0010 | w A0010 2 1234 |
    mov dword [rdi],imm32 | 64 | C707785634F2 | rdi=A0010 | w A0010 4 F2345678 |
    mov qword [rdi],imm32 | 64 | 48C70778563412 | rdi=A0010 | w A0010 8 12345678 |
    mov qword [rdi],imm32 negative | 64 | 48C707785634F2 | rdi=A0010 | w A0010 8 FFFFFFFFF2345678 |
    mov al,moffs64 | 64 | A010000A0000000000 | rax=FF00 | r A0010 1 12 | rax=FF12
    mov ax,moffs64 | 64 | 66A110000A0000000000 | rax=FFFF0000 | r A0010 2 1234 | rax=FFFF1234
    mov eax,moffs64 | 64 | A110000A0000000000 | rax=FFFFFFFFFFFFFFFF | r A0010 4 1234 | rax=1234
    mov rax,moffs64 | 64 | 48A110000A0000000000 | | r A0010 8 8000000000000001 | rax=8000000000000001
    mov moffs64,al | 64 | A210000A0000000000 | rax=12 | w A0010 1 12 |
    mov moffs64,ax | 64 | 66A310000A0000000000 | rax=1234 | w A0010 2 1234 |
    mov moffs64,eax | 64 | A310000A0000000000 | rax=1234 | w A0010 4 1234 |
    mov moffs64,rax | 64 | 48A310000A0000000000 | rax=1122334455667788 | w A0010 8 1122334455667788 |
    mov moffs32,eax | 64 | 67A310000A00 | rax=1234 | w A0010 4 1234 |
    mov [edi],ecx | 64 | 67890F | rdi=FFFFFFFF000A0010 | w A0010 4 01010101 |
    mov [edi-20],ecx wraps at 32 bits | 64 | 67894FE0 | rdi=30 1000:00 | | 10:01010101
    mov [edi+eax],ecx wraps at 32 bits | 64 | 67890C07 | rdi=FFFF0000 rax=B0010 | w A0010 4 01010101 |
    mov fs:[rdi],ecx | 64 | 64890F | rdi=10 | w A0010 4 01010101 |
    mov gs:[rdi],ecx | 64 | 65890F | rdi=10 | w B0010 4 01010101 |
    mov gs:[abs 30],ecx | 64 | 65890C2530000000 | | w B0030 4 01010101 |
    mov ds:[rdi],ecx has no base | 64 | 3E890F | rdi=A0010 | w A0010 4 01010101 |
    mov es:[rdi],ecx has no base | 64 | 26890F | rdi=A0010 | w A0010 4 01010101 |
    mov cs:[rdi],ecx may be written | 64 | 2E890F | rdi=A0010 | w A0010 4 01010101 |
    mov ss:[rdi],ecx has no base | 64 | 36890F | rdi=A0010 | w A0010 4 01010101 |
    mov word [rdi],es | 64 | 8C07 | rdi=A0010 | w A0010 2 0 |
    mov qword? [rdi],fs is a word | 64 | 488C27 | rdi=A0010 | w A0010 2 A000 |
    mov es,[rdi] | 64 | 8E07 | rdi=A0010 | | ?
    mov [rdi],eax of memory | 64 | 8907 | rdi=1000 rax=44332211 | | 1000:11223344
    mov eax,[rdi] of memory | 64 | 8B07 | rdi=1000 1000:78563412 | | rax=12345678
    mov [rdi],rcx over the end of a page of a device | 64 | 48890F | rdi=A0FFD rcx=1122334455667788 | w A0FFD 1 88 ; w A0FFE 2 6677 ; w A1000 4 22334455 ; w A1004 1 11 |
    mov ecx,[rdi] over the end of a page of a device | 64 | 8B0F | rdi=A0FFE | r A0FFE 2 3412 ; r A1000 2 7856 | rcx=78563412
    mov [rdi],ecx from memory into a device | 64 | 890F | rdi=9FFFE rcx=11223344 | w A0000 2 1122 | 9FFFE:4433
    mov ecx,[rdi] from memory into a device | 64 | 8B0F | rdi=9FFFE 9FFFE:4433 | r A0000 2 1122 | rcx=11223344
    mov [rdi],ecx unaligned in a page is one access | 64 | 890F | rdi=A0011 | w A0011 4 01010101 |
    movnti [rdi],ecx | 64 | 0FC30F | rdi=A0010 | w A0010 4 01010101 |
    movnti [rdi],rcx | 64 | 480FC30F | rdi=A0010 rcx=1122334455667788 | w A0010 8 1122334455667788 |
    movbe cx,[rdi] | 64 | 660F38F00F | rdi=A0010 rcx=FFFFFFFF | r A0010 2 1234 | rcx=FFFF3412
    movbe ecx,[rdi] | 64 | 0F38F00F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 4 12345678 | rcx=78563412
    movbe rcx,[rdi] | 64 | 480F38F00F | rdi=A0010 | r A0010 8 0102030405060708 | rcx=0807060504030201
    movbe [rdi],cx | 64 | 660F38F10F | rdi=A0010 rcx=1234 | w A0010 2 3412 |
    movbe [rdi],ecx | 64 | 0F38F10F | rdi=A0010 rcx=12345678 | w A0010 4 78563412 |
    movbe [rdi],rcx | 64 | 480F38F10F | rdi=A0010 rcx=0102030405060708 | w A0010 8 0807060504030201 |
    lock mov is no instruction | 64 | F0890F | rdi=A0010 | | !6
    lea is not emulated | 64 | 8D0F | rdi=A0010 | | ?
    clflush is not emulated | 64 | 0FAE3F | rdi=A0010 | | ?
    """

/// MOVZX, MOVSX and MOVSXD.
let extensionTable = """
    movzx cx,byte [rdi] | 64 | 660FB60F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 1 80 | rcx=FFFFFFFFFFFF0080
    movzx ecx,byte [rdi] | 64 | 0FB60F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 1 80 | rcx=80
    movzx rcx,byte [rdi] | 64 | 480FB60F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 1 80 | rcx=80
    movzx ecx,word [rdi] | 64 | 0FB70F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 2 8001 | rcx=8001
    movzx rcx,word [rdi] | 64 | 480FB70F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 2 8001 | rcx=8001
    movzx r9d,byte [r8] | 64 | 450FB608 | r8=A0010 | r A0010 1 FE | r9=FE
    movsx cx,byte [rdi] | 64 | 660FBE0F | rdi=A0010 rcx=0 | r A0010 1 80 | rcx=FF80
    movsx ecx,byte [rdi] | 64 | 0FBE0F | rdi=A0010 rcx=FFFFFFFF00000000 | r A0010 1 80 | rcx=FFFFFF80
    movsx ecx,byte [rdi] positive | 64 | 0FBE0F | rdi=A0010 | r A0010 1 7F | rcx=7F
    movsx rcx,byte [rdi] | 64 | 480FBE0F | rdi=A0010 | r A0010 1 80 | rcx=FFFFFFFFFFFFFF80
    movsx ecx,word [rdi] | 64 | 0FBF0F | rdi=A0010 rcx=0 | r A0010 2 8001 | rcx=FFFF8001
    movsx rcx,word [rdi] | 64 | 480FBF0F | rdi=A0010 | r A0010 2 8001 | rcx=FFFFFFFFFFFF8001
    movsxd rcx,dword [rdi] | 64 | 48630F | rdi=A0010 | r A0010 4 80000001 | rcx=FFFFFFFF80000001
    movsxd ecx,dword [rdi] | 64 | 630F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 4 80000001 | rcx=80000001
    movzx ecx,byte [edi] | 32 | 0FB60F | rdi=A0010 | r A0010 1 80 | rcx=80
    movsx ecx,word [edi] | 32 | 0FBF0F | rdi=A0010 | r A0010 2 8000 | rcx=FFFF8000
    movzx cx,byte [di] | 16 | 0FB60D | rdi=10 rcx=0 | r A0010 1 FF | rcx=FF
    movsx ecx,byte [di] | 16 | 660FBE0D | rdi=10 | r A0010 1 FF | rcx=FFFFFFFF
    movsx cx,byte [di] | real | 0FBE0D | rdi=10 rcx=12340000 | r A0010 1 FF | rcx=1234FFFF
    """
