/// SETcc and CMOVcc.
let conditionTable = """
    seto [rdi] | 64 | 0F9007 | rdi=A0010 f=O | w A0010 1 1 |
    seto [rdi] not | 64 | 0F9007 | rdi=A0010 f=SZAPC | w A0010 1 0 |
    setno [rdi] | 64 | 0F9107 | rdi=A0010 f=O | w A0010 1 0 |
    setb [rdi] | 64 | 0F9207 | rdi=A0010 f=C | w A0010 1 1 |
    setae [rdi] | 64 | 0F9307 | rdi=A0010 f=C | w A0010 1 0 |
    sete [rdi] | 64 | 0F9407 | rdi=A0010 f=Z | w A0010 1 1 |
    setne [rdi] | 64 | 0F9507 | rdi=A0010 f=C | w A0010 1 1 |
    setbe [rdi] by Z | 64 | 0F9607 | rdi=A0010 f=Z | w A0010 1 1 |
    setbe [rdi] by C | 64 | 0F9607 | rdi=A0010 f=C | w A0010 1 1 |
    seta [rdi] | 64 | 0F9707 | rdi=A0010 f=S | w A0010 1 1 |
    sets [rdi] | 64 | 0F9807 | rdi=A0010 f=S | w A0010 1 1 |
    setns [rdi] | 64 | 0F9907 | rdi=A0010 f=S | w A0010 1 0 |
    setp [rdi] | 64 | 0F9A07 | rdi=A0010 f=P | w A0010 1 1 |
    setnp [rdi] | 64 | 0F9B07 | rdi=A0010 f=A | w A0010 1 1 |
    setl [rdi] by S | 64 | 0F9C07 | rdi=A0010 f=S | w A0010 1 1 |
    setl [rdi] not by both | 64 | 0F9C07 | rdi=A0010 f=SO | w A0010 1 0 |
    setge [rdi] by both | 64 | 0F9D07 | rdi=A0010 f=SO | w A0010 1 1 |
    setle [rdi] by Z | 64 | 0F9E07 | rdi=A0010 f=Z | w A0010 1 1 |
    setle [rdi] by O | 64 | 0F9E07 | rdi=A0010 f=O | w A0010 1 1 |
    setg [rdi] | 64 | 0F9F07 | rdi=A0010 f=SO | w A0010 1 1 |
    cmove ecx,[rdi] | 64 | 0F440F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF f=Z | r A0010 4 5 | rcx=5
    cmove ecx,[rdi] not: reads, clears the upper half | 64 | 0F440F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF | r A0010 4 5 | rcx=FFFFFFFF
    cmovne rcx,[rdi] | 64 | 480F450F | rdi=A0010 | r A0010 8 8000000000000000 | rcx=8000000000000000
    cmovne rcx,[rdi] not | 64 | 480F450F | rdi=A0010 f=Z | r A0010 8 5 |
    cmovb cx,[rdi] | 64 | 660F420F | rdi=A0010 rcx=FFFFFFFF f=C | r A0010 2 5 | rcx=FFFF0005
    cmovl cx,[rdi] not | 64 | 660F4C0F | rdi=A0010 rcx=FFFFFFFF f=SO | r A0010 2 5 |
    cmova r9d,[r8] | 64 | 450F4708 | r8=A0010 | r A0010 4 5 | r9=5
    """

/// The other modes: 32-bit and 16-bit protected mode and real mode, their address forms and segments.
let modeTable = """
    mov [edi],ecx | 32 | 890F | rdi=A0010 | w A0010 4 01010101 |
    mov [edi],cx | 32 | 66890F | rdi=A0010 | w A0010 2 0101 |
    mov [edi],cl | 32 | 880F | rdi=A0010 | w A0010 1 01 |
    mov [edi],ah | 32 | 8827 | rdi=A0010 rax=1234 | w A0010 1 12 |
    mov ecx,[edi] | 32 | 8B0F | rdi=A0010 | r A0010 4 FFFFFFFF | rcx=FFFFFFFF
    mov eax,moffs32 | 32 | A110000A00 | | r A0010 4 12 | rax=12
    mov moffs32,al | 32 | A210000A00 | rax=34 | w A0010 1 34 |
    mov [abs A0010],ecx | 32 | 890D10000A00 | | w A0010 4 01010101 |
    mov dword [abs A0010],imm32 | 32 | C70510000A0078563412 | | w A0010 4 12345678 |
    mov [ebx+esi*4+8],edx | 32 | 8954B308 | rbx=A0000 rsi=4 | w A0018 4 02020202 |
    mov [edi+eax],ecx wraps | 32 | 890C07 | rdi=FFFF0000 rax=B0010 | w A0010 4 01010101 |
    mov fs:[edi],ecx | 32 | 64890F | rdi=10 | w A0010 4 01010101 |
    mov fs:[edi],ecx base and offset wrap | 32 | 64890F | rdi=FFFFFFF0 9FFF0:00 | | 9FFF0:01010101
    mov gs:[edi],ecx | 32 | 65890F | rdi=10 | w B0010 4 01010101 |
    mov gs:[di],ecx | 32 | 6765890D | rdi=FFFF0010 | w B0010 4 01010101 |
    mov gs:[bx+si],ecx | 32 | 67658908 | rbx=FFF0 rsi=30 | w B0020 4 01010101 |
    mov gs:[disp16],ecx | 32 | 6765890E3412 | | w B1234 4 01010101 |
    inc ecx (40+) | 32 | 41 | rcx=FFFFFFFF f=C | | rcx=0 f=CZAP
    inc dword [edi] | 32 | FF07 | rdi=A0010 | r A0010 4 1 ; w A0010 4 2 | f=
    movq xmm1,[edi] | 32 | F30F7E0F | rdi=A0010 | r A0010 8 5 | x1=00000000000000000000000000000005
    mov cs:[edi],ecx may not be written | 32 | 2E890F | rdi=A0010 | | !13:0
    mov ecx,cs:[edi] | 32 | 2E8B0F | rdi=A0010 | r A0010 4 5 | rcx=5
    mov [di],cx | 16 | 890D | rdi=FFFF0010 | w A0010 2 0101 |
    mov [di],ecx | 16 | 66890D | rdi=10 | w A0010 4 01010101 |
    mov [edi],cx | 16 | 67890F | rdi=10 | w A0010 2 0101 |
    mov [edi],ecx | 16 | 6667890F | rdi=10 | w A0010 4 01010101 |
    mov [bx+si],cl | 16 | 8808 | rbx=10 rsi=20 | w A0030 1 01 |
    mov [bx+di],cl | 16 | 8809 | rbx=10 rdi=20 | w A0030 1 01 |
    mov [bp+si],cl is in SS | 16 | 880A | rbp=10 rsi=20 | | 20030:01
    mov ds:[bp+di],cl | 16 | 3E880B | rbp=10 rdi=20 | w A0030 1 01 |
    mov [si],cl | 16 | 880C | rsi=20 | w A0020 1 01 |
    mov [disp16],cl | 16 | 880E3412 | | w A1234 1 01 |
    mov [bx],cl | 16 | 880F | rbx=20 | w A0020 1 01 |
    mov [bx+si-2],cl | 16 | 8848FE | rbx=10 rsi=20 | w A002E 1 01 |
    mov [bp-2],cl is in SS | 16 | 884EFE | rbp=10 | | 2000E:01
    mov [bx+disp16],cl wraps | 16 | 888F00F0 | rbx=1234 | w A0234 1 01 |
    mov al,[disp16] | 16 | A03412 | rax=0 | r A1234 1 5 | rax=5
    mov es:[di],ax | 16 | 268905 | rdi=10 rax=1234 | w B0010 2 1234 |
    mov word [di],imm16 | 16 | C7053412 | rdi=10 | w A0010 2 1234 |
    mov [di],ax | real | 8905 | rdi=10 rax=1234 | w A0010 2 1234 |
    mov [di],eax | real | 668905 | rdi=10 rax=12345678 | w A0010 4 12345678 |
    mov eax,[edi] | real | 66678B07 | rdi=10 | r A0010 4 12345678 | rax=12345678
    mov gs:[di],ax | real | 658905 | rdi=10 rax=1234 | w A8010 2 1234 |
    mov es:[disp16],al | real | 26A23412 | rax=12 | w B1234 1 12 |
    mov cs:[di],ax may be written | real | 2E8905 | rdi=10 rax=1234 | | 10:3412
    mov [di],ax over the limit | real | 8905 | rdi=FFFF | | !13
    mov [bp],ax over the stack's limit | real | 894600 | rbp=FFFF | | !12
    mov [edi],ax over the limit | real | 678907 | rdi=10000 | | !13
    mov [di],ax over the limit | 16 | 8905 | rdi=FFFF | | !13:0
    xchg [di],ax | real | 8705 | rdi=10 rax=1234 | r A0010 2 5678 ; w A0010 2 1234 | rax=5678
    """
