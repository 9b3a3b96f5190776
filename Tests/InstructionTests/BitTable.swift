/// Shifts, rotations, and BT, BTS, BTR and BTC.
let bitTable = """
    shl byte [rdi],1 | 64 | D027 | rdi=A0010 | r A0010 1 81 ; w A0010 1 02 | f=OC u=A
    shl word [rdi],1 | 64 | 66D127 | rdi=A0010 | r A0010 2 C000 ; w A0010 2 8000 | f=CSP u=A
    shl dword [rdi],4 | 64 | C12704 | rdi=A0010 | r A0010 4 12345678 ; w A0010 4 23456780 | f=C u=AO
    shl qword [rdi],cl | 64 | 48D327 | rdi=A0010 rcx=21 | r A0010 8 80000001 ; w A0010 8 200000000 | f=CP u=AO
    shl dword [rdi],cl masks the count | 64 | D327 | rdi=A0010 rcx=21 | r A0010 4 1 ; w A0010 4 2 | f= u=A
    shl dword [rdi],cl by zero | 64 | D327 | rdi=A0010 rcx=20 f=OSZAPC | r A0010 4 5 ; w A0010 4 5 |
    shl byte [rdi],9 shifts all out | 64 | C02709 | rdi=A0010 | r A0010 1 FF ; w A0010 1 0 | f=ZP u=AOC
    shr byte [rdi],1 | 64 | D02F | rdi=A0010 | r A0010 1 81 ; w A0010 1 40 | f=OC u=A
    shr dword [rdi],1F | 64 | C12F1F | rdi=A0010 | r A0010 4 80000000 ; w A0010 4 1 | f= u=AO
    shr word [rdi],cl | 64 | 66D32F | rdi=A0010 rcx=8 | r A0010 2 8180 ; w A0010 2 81 | f=CP u=AO
    shr qword [rdi],3F | 64 | 48C12F3F | rdi=A0010 | r A0010 8 C000000000000000 ; w A0010 8 1 | f=C u=AO
    sar byte [rdi],1 | 64 | D03F | rdi=A0010 | r A0010 1 81 ; w A0010 1 C0 | f=CSP u=A
    sar word [rdi],1F | 64 | 66C13F1F | rdi=A0010 | r A0010 2 8000 ; w A0010 2 FFFF | f=CSP u=AO
    sar dword [rdi],cl | 64 | D33F | rdi=A0010 rcx=4 | r A0010 4 7FFFFFF0 ; w A0010 4 07FFFFFF | f=P u=AO
    sar qword [rdi],4 | 64 | 48C13F04 | rdi=A0010 | r A0010 8 8000000000000008 ; w A0010 8 F800000000000000 | f=CSP u=AO
    sal (group 6) dword [rdi],1 | 64 | D137 | rdi=A0010 | r A0010 4 1 ; w A0010 4 2 | f= u=A
    rol byte [rdi],1 | 64 | D007 | rdi=A0010 f=SZAP | r A0010 1 81 ; w A0010 1 03 | f=OCSZAP
    rol dword [rdi],8 | 64 | C10708 | rdi=A0010 | r A0010 4 12345678 ; w A0010 4 34567812 | f= u=O
    rol byte [rdi],8 turns once round | 64 | C00708 | rdi=A0010 | r A0010 1 81 ; w A0010 1 81 | f=C u=O
    rol qword [rdi],cl | 64 | 48D307 | rdi=A0010 rcx=40 f=C | r A0010 8 1 ; w A0010 8 1 |
    rol word [rdi],cl | 64 | 66D307 | rdi=A0010 rcx=14 | r A0010 2 1234 ; w A0010 2 2341 | f=C u=O
    ror byte [rdi],1 | 64 | D00F | rdi=A0010 | r A0010 1 01 ; w A0010 1 80 | f=OC
    ror dword [rdi],4 | 64 | C10F04 | rdi=A0010 | r A0010 4 12345678 ; w A0010 4 81234567 | f=C u=O
    ror qword [rdi],1 | 64 | 48D10F | rdi=A0010 f=Z | r A0010 8 3 ; w A0010 8 8000000000000001 | f=OCZ
    ror word [rdi],cl | 64 | 66D30F | rdi=A0010 rcx=11 | r A0010 2 8000 ; w A0010 2 4000 | f= u=O
    rcl is not emulated | 64 | D117 | rdi=A0010 | | ?
    shld is not emulated | 64 | 0FA40F04 | rdi=A0010 | | ?
    bt dword [rdi],imm8 | 64 | 0FBA2705 | rdi=A0010 f=Z | r A0010 4 20 | f=CZ u=OSAP
    bt dword [rdi],imm8 masks the number | 64 | 0FBA2725 | rdi=A0010 | r A0010 4 20 | f=C u=OSAP
    bt word [rdi],imm8 | 64 | 660FBA270F | rdi=A0010 f=C | r A0010 2 7FFF | f= u=OSAP
    bt [rdi],ecx | 64 | 0FA30F | rdi=A0010 rcx=25 | r A0014 4 20 | f=C u=OSAP
    bt [rdi],ecx negative | 64 | 0FA30F | rdi=A0010 rcx=FFFFFFFF | r A000C 4 80000000 | f=C u=OSAP
    bt [rdi],rcx | 64 | 480FA30F | rdi=A0010 rcx=FFFFFFFFFFFFFFC0 | r A0008 8 1 | f=C u=OSAP
    bt [rdi],cx | 64 | 660FA30F | rdi=A0010 rcx=12348010 rdi=A1010 | r A0012 2 1 | f=C u=OSAP
    bts dword [rdi],imm8 | 64 | 0FBA2F1F | rdi=A0010 | r A0010 4 0 ; w A0010 4 80000000 | f= u=OSAP
    bts [rdi],ecx | 64 | 0FAB0F | rdi=A0010 rcx=40 | r A0018 4 1 ; w A0018 4 1 | f=C u=OSAP
    lock bts [rdi],rcx | 64 | F0480FAB0F | rdi=A0010 rcx=7F | r A0018 8 0 ; w A0018 8 8000000000000000 | f= u=OSAP
    btr qword [rdi],imm8 | 64 | 480FBA373F | rdi=A0010 | r A0010 8 8000000000000001 ; w A0010 8 1 | f=C u=OSAP
    btr [rdi],cx | 64 | 660FB30F | rdi=A0010 rcx=0F | r A0010 2 FFFF ; w A0010 2 7FFF | f=C u=OSAP
    lock btr dword [rdi],imm8 | 64 | F00FBA3700 | rdi=A0010 | r A0010 4 2 ; w A0010 4 2 | f= u=OSAP
    btc dword [rdi],imm8 | 64 | 0FBA3F00 | rdi=A0010 | r A0010 4 3 ; w A0010 4 2 | f=C u=OSAP
    btc [rdi],ecx | 64 | 0FBB0F | rdi=A0010 rcx=1 | r A0010 4 0 ; w A0010 4 2 | f= u=OSAP
    lock bt is no instruction | 64 | F00FA30F | rdi=A0010 | | !6
    """

/// XCHG, XADD, CMPXCHG, CMPXCHG8B and CMPXCHG16B.
let exchangeTable = """
    xchg [rdi],cl | 64 | 860F | rdi=A0010 rcx=1122 | r A0010 1 33 ; w A0010 1 22 | rcx=1133
    xchg [rdi],cx | 64 | 66870F | rdi=A0010 rcx=11223344 | r A0010 2 5566 ; w A0010 2 3344 | rcx=11225566
    xchg [rdi],ecx | 64 | 870F | rdi=A0010 rcx=FFFFFFFF00000001 | r A0010 4 2 ; w A0010 4 1 | rcx=2
    xchg [rdi],rcx | 64 | 48870F | rdi=A0010 rcx=1 | r A0010 8 8000000000000000 ; w A0010 8 1 | rcx=8000000000000000
    xchg [rdi],ah | 64 | 8627 | rdi=A0010 rax=1122 | r A0010 1 33 ; w A0010 1 11 | rax=3322
    lock xchg [rdi],ecx | 64 | F0870F | rdi=A0010 rcx=1 | r A0010 4 2 ; w A0010 4 1 | rcx=2
    xchg [rdi],rdi | 64 | 48873F | rdi=A0010 | r A0010 8 5 ; w A0010 8 A0010 | rdi=5
    xadd [rdi],cl | 64 | 0FC00F | rdi=A0010 rcx=1101 | r A0010 1 FF ; w A0010 1 0 | rcx=11FF f=CZAP
    xadd [rdi],cx | 64 | 660FC10F | rdi=A0010 rcx=10001 | r A0010 2 1 ; w A0010 2 2 | rcx=10001 f=
    xadd [rdi],ecx | 64 | 0FC10F | rdi=A0010 rcx=FFFFFFFF00000003 | r A0010 4 4 ; w A0010 4 7 | rcx=4 f=
    lock xadd [rdi],rcx | 64 | F0480FC10F | rdi=A0010 rcx=1 | r A0010 8 7FFFFFFFFFFFFFFF ; w A0010 8 8000000000000000 | rcx=7FFFFFFFFFFFFFFF f=OSAP
    cmpxchg [rdi],cl equal | 64 | 0FB00F | rdi=A0010 rax=FF05 rcx=7 | r A0010 1 5 ; w A0010 1 7 | f=ZP
    cmpxchg [rdi],cl different | 64 | 0FB00F | rdi=A0010 rax=FF05 rcx=7 | r A0010 1 4 ; w A0010 1 4 | rax=FF04 f=
    cmpxchg [rdi],cx equal | 64 | 660FB10F | rdi=A0010 rax=FFFF0005 rcx=7 | r A0010 2 5 ; w A0010 2 7 | f=ZP
    cmpxchg [rdi],ecx equal | 64 | 0FB10F | rdi=A0010 rax=FFFFFFFF00000005 rcx=7 | r A0010 4 5 ; w A0010 4 7 | f=ZP
    cmpxchg [rdi],ecx different | 64 | 0FB10F | rdi=A0010 rax=FFFFFFFF00000005 rcx=7 | r A0010 4 6 ; w A0010 4 6 | rax=6 f=CSAP
    lock cmpxchg [rdi],rcx equal | 64 | F0480FB10F | rdi=A0010 rax=8000000000000000 rcx=7 | r A0010 8 8000000000000000 ; w A0010 8 7 | f=ZP
    lock cmpxchg [rdi],rcx different | 64 | F0480FB10F | rdi=A0010 rax=1 rcx=7 | r A0010 8 2 ; w A0010 8 2 | rax=2 f=CSAP
    cmpxchg8b [rdi] equal | 64 | 0FC70F | rdi=A0010 rax=1 rdx=2 rbx=3 rcx=4 f=OSAPC | r A0010 8 0000000200000001 ; w A0010 8 0000000400000003 | f=OSZAPC
    cmpxchg8b [rdi] different | 64 | 0FC70F | rdi=A0010 rax=FFFFFFFF00000001 rdx=2 rbx=3 rcx=4 f=Z | r A0010 8 0000000900000008 ; w A0010 8 0000000900000008 | rax=8 rdx=9 f=
    lock cmpxchg8b [edi] equal | 32 | F00FC70F | rdi=A0010 rax=1 rdx=2 rbx=3 rcx=4 | r A0010 8 0000000200000001 ; w A0010 8 0000000400000003 | f=Z
    cmpxchg16b [rdi] equal | 64 | 480FC70F | rdi=A0010 rax=1 rdx=2 rbx=3 rcx=4 | r A0010 8 1 ; r A0018 8 2 ; w A0010 8 3 ; w A0018 8 4 | f=Z
    lock cmpxchg16b [rdi] different | 64 | F0480FC70F | rdi=A0010 rax=1 rdx=2 rbx=3 rcx=4 f=C | r A0010 8 1 ; r A0018 8 5 ; w A0010 8 1 ; w A0018 8 5 | rdx=5 f=C
    cmpxchg16b [rdi] not aligned | 64 | 480FC70F | rdi=A0018 | | !13:0
    lock xchg cl,cl is no instruction | 64 | F086C9 | | | !6
    """

/// MUL, IMUL, DIV and IDIV.
let multiplicationTable = """
    mul byte [rdi] | 64 | F627 | rdi=A0010 rax=FFFF80 | r A0010 1 4 | rax=FF0200 f=OC u=SZAP
    mul word [rdi] | 64 | 66F727 | rdi=A0010 rax=8000 rdx=FFFFFFFF | r A0010 2 2 | rax=0 rdx=FFFF0001 f=OC u=SZAP
    mul dword [rdi] | 64 | F727 | rdi=A0010 rax=FFFFFFFF00000003 rdx=FFFFFFFFFFFFFFFF f=OC | r A0010 4 5 | rax=F rdx=0 f= u=SZAP
    mul qword [rdi] | 64 | 48F727 | rdi=A0010 rax=FFFFFFFFFFFFFFFF | r A0010 8 FFFFFFFFFFFFFFFF | rax=1 rdx=FFFFFFFFFFFFFFFE f=OC u=SZAP
    imul byte [rdi] | 64 | F62F | rdi=A0010 rax=FE | r A0010 1 3 | rax=FFFA f= u=SZAP
    imul word [rdi] | 64 | 66F72F | rdi=A0010 rax=4000 rdx=0 | r A0010 2 2 | rax=8000 rdx=0 f=OC u=SZAP
    imul dword [rdi] | 64 | F72F | rdi=A0010 rax=FFFFFFFF rdx=0 | r A0010 4 FFFFFFFF | rax=1 rdx=0 f= u=SZAP
    imul qword [rdi] | 64 | 48F72F | rdi=A0010 rax=8000000000000000 | r A0010 8 2 | rax=0 rdx=FFFFFFFFFFFFFFFF f=OC u=SZAP
    imul ecx,[rdi] | 64 | 0FAF0F | rdi=A0010 rcx=FFFFFFFF00000003 | r A0010 4 FFFFFFFF | rcx=FFFFFFFD f= u=SZAP
    imul cx,[rdi] | 64 | 660FAF0F | rdi=A0010 rcx=FFFF0100 | r A0010 2 100 | rcx=FFFF0000 f=OC u=SZAP
    imul rcx,[rdi],imm8 | 64 | 486B0FFE | rdi=A0010 rcx=5 | r A0010 8 3 | rcx=FFFFFFFFFFFFFFFA f= u=SZAP
    imul ecx,[rdi],imm32 | 64 | 690F00000100 | rdi=A0010 | r A0010 4 10000 | rcx=0 f=OC u=SZAP
    div byte [rdi] | 64 | F637 | rdi=A0010 rax=FF0107 | r A0010 1 10 | rax=FF0710 u=OSZAPC
    div word [rdi] | 64 | 66F737 | rdi=A0010 rax=0 rdx=FFFF0001 | r A0010 2 10 | rax=1000 rdx=FFFF0000 u=OSZAPC
    div dword [rdi] | 64 | F737 | rdi=A0010 rax=FFFFFFFF00000007 rdx=0 | r A0010 4 2 | rax=3 rdx=1 u=OSZAPC
    div qword [rdi] | 64 | 48F737 | rdi=A0010 rax=5 rdx=1 | r A0010 8 10 | rax=1000000000000000 rdx=5 u=OSZAPC
    div dword [rdi] by zero | 64 | F737 | rdi=A0010 | r A0010 4 0 | !0
    div dword [rdi] too large | 64 | F737 | rdi=A0010 rax=0 rdx=2 | r A0010 4 2 | !0
    idiv byte [rdi] | 64 | F63F | rdi=A0010 rax=FFF9 | r A0010 1 2 | rax=FFFD u=OSZAPC
    idiv word [rdi] | 64 | 66F73F | rdi=A0010 rax=FFF9 rdx=FFFF | r A0010 2 FFFE | rax=3 rdx=FFFF u=OSZAPC
    idiv dword [rdi] | 64 | F73F | rdi=A0010 rax=7 rdx=0 | r A0010 4 FFFFFFFE | rax=FFFFFFFD rdx=1 u=OSZAPC
    idiv qword [rdi] | 64 | 48F73F | rdi=A0010 rax=FFFFFFFFFFFFFFF9 rdx=FFFFFFFFFFFFFFFF | r A0010 8 3 | rax=FFFFFFFFFFFFFFFE rdx=FFFFFFFFFFFFFFFF u=OSZAPC
    idiv dword [rdi] smallest by minus one | 64 | F73F | rdi=A0010 rax=80000000 rdx=FFFFFFFF | r A0010 4 FFFFFFFF | !0
    idiv byte [rdi] to the smallest quotient | 64 | F63F | rdi=A0010 rax=FF00 | r A0010 1 2 | rax=0080 u=OSZAPC
    """
