/// ADD, ADC, SUB, SBB, CMP, INC, DEC and NEG.
let arithmeticTable = """
    add [rdi],cl | 64 | 000F | rdi=A0010 rcx=01 | r A0010 1 FF ; w A0010 1 0 | f=CZAP
    add [rdi],cx | 64 | 66010F | rdi=A0010 rcx=1 | r A0010 2 7FFF ; w A0010 2 8000 | f=OSAP
    add [rdi],ecx | 64 | 010F | rdi=A0010 rcx=1 | r A0010 4 FFFFFFFF ; w A0010 4 0 | f=CZAP
    add [rdi],rcx | 64 | 48010F | rdi=A0010 rcx=1 | r A0010 8 FFFFFFFF ; w A0010 8 100000000 | f=AP
    add cl,[rdi] | 64 | 020F | rdi=A0010 rcx=FFFFFF80 | r A0010 1 80 | rcx=FFFFFF00 f=OCZP
    add cx,[rdi] | 64 | 66030F | rdi=A0010 rcx=FFFF0001 | r A0010 2 2 | rcx=FFFF0003 f=P
    add ecx,[rdi] | 64 | 030F | rdi=A0010 rcx=FFFFFFFF00000001 | r A0010 4 2 | rcx=3 f=P
    add rcx,[rdi] | 64 | 48030F | rdi=A0010 rcx=8000000000000000 | r A0010 8 8000000000000000 | rcx=0 f=OCZP
    add byte [rdi],imm8 | 64 | 800701 | rdi=A0010 | r A0010 1 0F ; w A0010 1 10 | f=A
    add word [rdi],imm16 | 64 | 6681073412 | rdi=A0010 | r A0010 2 1 ; w A0010 2 1235 | f=P
    add dword [rdi],imm32 | 64 | 810778563412 | rdi=A0010 | r A0010 4 1 ; w A0010 4 12345679 | f=
    add qword [rdi],imm32 negative | 64 | 488107FFFFFFFF | rdi=A0010 | r A0010 8 1 ; w A0010 8 0 | f=CZAP
    add dword [rdi],imm8 negative | 64 | 8307FF | rdi=A0010 | r A0010 4 0 ; w A0010 4 FFFFFFFF | f=SP
    add word [rdi],imm8 negative | 64 | 668307FE | rdi=A0010 | r A0010 2 1 ; w A0010 2 FFFF | f=SP
    lock add [rdi],ecx | 64 | F0010F | rdi=A0010 rcx=1 | r A0010 4 1 ; w A0010 4 2 | f=
    add ah,[rdi] | 64 | 0227 | rdi=A0010 rax=0102 | r A0010 1 7F | rax=8002 f=OSA
    add [rdi],ecx of memory | 64 | 010F | rdi=1000 rcx=1 1000:FF | | 1000:0001 f=AP
    adc [rdi],ecx with carry | 64 | 110F | rdi=A0010 rcx=FFFFFFFF f=C | r A0010 4 0 ; w A0010 4 0 | f=CZAP
    adc [rdi],ecx without carry | 64 | 110F | rdi=A0010 rcx=FFFFFFFF f=O | r A0010 4 0 ; w A0010 4 FFFFFFFF | f=SP
    adc al,[rdi] | 64 | 1207 | rdi=A0010 rax=7F f=C | r A0010 1 0 | rax=80 f=OSA
    adc qword [rdi],imm8 | 64 | 48831700 | rdi=A0010 f=C | r A0010 8 FFFFFFFFFFFFFFFF ; w A0010 8 0 | f=CZAP
    adc both all ones with carry | 64 | 4813 0F | rdi=A0010 rcx=FFFFFFFFFFFFFFFF f=C | r A0010 8 FFFFFFFFFFFFFFFF | rcx=FFFFFFFFFFFFFFFF f=CSAP
    sub [rdi],cl | 64 | 280F | rdi=A0010 rcx=1 | r A0010 1 0 ; w A0010 1 FF | f=CSAP
    sub [rdi],ecx | 64 | 290F | rdi=A0010 rcx=1 | r A0010 4 80000000 ; w A0010 4 7FFFFFFF | f=OAP
    sub rcx,[rdi] | 64 | 482B0F | rdi=A0010 rcx=10 | r A0010 8 10 | rcx=0 f=ZP
    sub cx,[rdi] | 64 | 662B0F | rdi=A0010 rcx=FFFF0010 | r A0010 2 11 | rcx=FFFFFFFF f=CSAP
    sub dword [rdi],imm8 | 64 | 832F10 | rdi=A0010 | r A0010 4 20 ; w A0010 4 10 | f=
    sub word [rdi],imm16 | 64 | 66812F0001 | rdi=A0010 | r A0010 2 100 ; w A0010 2 0 | f=ZP
    lock sub [rdi],rcx | 64 | F048290F | rdi=A0010 rcx=2 | r A0010 8 5 ; w A0010 8 3 | f=P
    sbb [rdi],ecx with borrow | 64 | 190F | rdi=A0010 rcx=FFFFFFFF f=C | r A0010 4 0 ; w A0010 4 0 | f=CZAP
    sbb [rdi],ecx without borrow | 64 | 190F | rdi=A0010 rcx=1 | r A0010 4 3 ; w A0010 4 2 | f=
    sbb al,[rdi] | 64 | 1A07 | rdi=A0010 rax=80 f=C | r A0010 1 0 | rax=7F f=OA
    sbb qword [rdi],imm8 | 64 | 48831FFF | rdi=A0010 f=C | r A0010 8 5 ; w A0010 8 5 | f=CAP
    cmp [rdi],cl | 64 | 380F | rdi=A0010 rcx=1 | r A0010 1 0 | f=CSAP
    cmp [rdi],ecx | 64 | 390F | rdi=A0010 rcx=5 | r A0010 4 5 | f=ZP
    cmp [rdi],rcx | 64 | 48390F | rdi=A0010 rcx=5 | r A0010 8 8000000000000005 | f=SP
    cmp cl,[rdi] | 64 | 3A0F | rdi=A0010 rcx=7F | r A0010 1 FF | f=OCS
    cmp cx,[rdi] | 64 | 663B0F | rdi=A0010 rcx=11 | r A0010 2 1 | f=
    cmp ecx,[rdi] | 64 | 3B0F | rdi=A0010 rcx=1 | r A0010 4 2 | f=CSAP
    cmp byte [rdi],imm8 | 64 | 803F80 | rdi=A0010 | r A0010 1 80 | f=ZP
    cmp word [rdi],imm8 | 64 | 66833FFF | rdi=A0010 | r A0010 2 FFFF | f=ZP
    cmp dword [rdi],imm32 | 64 | 813F78563412 | rdi=A0010 | r A0010 4 12345678 | f=ZP
    cmp qword [rdi],imm32 negative | 64 | 48813F000000F0 | rdi=A0010 | r A0010 8 FFFFFFFFF0000000 | f=ZP
    inc byte [rdi] | 64 | FE07 | rdi=A0010 f=C | r A0010 1 FF ; w A0010 1 0 | f=CZAP
    inc word [rdi] | 64 | 66FF07 | rdi=A0010 | r A0010 2 7FFF ; w A0010 2 8000 | f=OSAP
    inc dword [rdi] | 64 | FF07 | rdi=A0010 | r A0010 4 FFFFFFFF ; w A0010 4 0 | f=ZAP
    inc qword [rdi] | 64 | 48FF07 | rdi=A0010 f=C | r A0010 8 2 ; w A0010 8 3 | f=CP
    lock inc dword [rdi] | 64 | F0FF07 | rdi=A0010 | r A0010 4 0 ; w A0010 4 1 | f=
    dec byte [rdi] | 64 | FE0F | rdi=A0010 | r A0010 1 0 ; w A0010 1 FF | f=SAP
    dec word [rdi] | 64 | 66FF0F | rdi=A0010 f=C | r A0010 2 8000 ; w A0010 2 7FFF | f=OCAP
    dec dword [rdi] | 64 | FF0F | rdi=A0010 | r A0010 4 1 ; w A0010 4 0 | f=ZP
    dec qword [rdi] | 64 | 48FF0F | rdi=A0010 | r A0010 8 100000000 ; w A0010 8 FFFFFFFF | f=AP
    neg byte [rdi] | 64 | F61F | rdi=A0010 | r A0010 1 80 ; w A0010 1 80 | f=OCS
    neg dword [rdi] | 64 | F71F | rdi=A0010 | r A0010 4 1 ; w A0010 4 FFFFFFFF | f=CSAP
    neg qword [rdi] of zero | 64 | 48F71F | rdi=A0010 f=CS | r A0010 8 0 ; w A0010 8 0 | f=ZP
    lock neg word [rdi] | 64 | 66F0F71F | rdi=A0010 | r A0010 2 10 ; w A0010 2 FFF0 | f=CSP
    lock cmp is no instruction | 64 | F0390F | rdi=A0010 | | !6
    lock add cl,[rdi] is no instruction | 64 | F0020F | rdi=A0010 | | !6
    add [edi],ecx | 32 | 010F | rdi=A0010 rcx=1 | r A0010 4 1 ; w A0010 4 2 | f=
    add [di],cx | 16 | 010D | rdi=10 rcx=1 | r A0010 2 1 ; w A0010 2 2 | f=
    """

/// AND, OR, XOR, TEST and NOT.
let logicTable = """
    and [rdi],cl | 64 | 200F | rdi=A0010 rcx=0F f=OCA | r A0010 1 F0 ; w A0010 1 0 | f=ZP u=A
    and [rdi],ecx | 64 | 210F | rdi=A0010 rcx=FF000000 | r A0010 4 80000001 ; w A0010 4 80000000 | f=SP u=A
    and cx,[rdi] | 64 | 66230F | rdi=A0010 rcx=FFFFFFFF | r A0010 2 1234 | rcx=FFFF1234 f= u=A
    and dword [rdi],imm8 negative | 64 | 8327FE | rdi=A0010 | r A0010 4 FFFFFFFF ; w A0010 4 FFFFFFFE | f=S u=A
    and qword [rdi],imm32 negative | 64 | 48812700FFFFFF | rdi=A0010 | r A0010 8 1122334455667788 ; w A0010 8 1122334455667700 | f=P u=A
    and qword [rdi],imm32 | 64 | 488127FFFFFF7F | rdi=A0010 | r A0010 8 FFFFFFFFFFFFFFFF ; w A0010 8 7FFFFFFF | f=P u=A
    lock and [rdi],ecx | 64 | F0210F | rdi=A0010 rcx=1 | r A0010 4 3 ; w A0010 4 1 | f= u=A
    or [rdi],cl | 64 | 080F | rdi=A0010 rcx=80 f=C | r A0010 1 1 ; w A0010 1 81 | f=SP u=A
    or [rdi],rcx | 64 | 48090F | rdi=A0010 rcx=8000000000000000 | r A0010 8 1 ; w A0010 8 8000000000000001 | f=S u=A
    or ecx,[rdi] | 64 | 0B0F | rdi=A0010 rcx=FFFFFFFF00000000 | r A0010 4 0 | rcx=0 f=ZP u=A
    or dword [rdi],imm8 | 64 | 830F04 | rdi=A0010 | r A0010 4 3 ; w A0010 4 7 | f= u=A
    or byte [rdi],imm8 | 64 | 800F80 | rdi=A0010 | r A0010 1 0 ; w A0010 1 80 | f=S u=A
    lock or word [rdi],imm16 | 64 | 66F0810F0080 | rdi=A0010 | r A0010 2 1 ; w A0010 2 8001 | f=S u=A
    xor [rdi],cl | 64 | 300F | rdi=A0010 rcx=FF | r A0010 1 FF ; w A0010 1 0 | f=ZP u=A
    xor [rdi],cx | 64 | 66310F | rdi=A0010 rcx=FF00 | r A0010 2 0F0F ; w A0010 2 F00F | f=SP u=A
    xor rcx,[rdi] | 64 | 48330F | rdi=A0010 rcx=1 | r A0010 8 3 | rcx=2 f= u=A
    xor dword [rdi],imm32 | 64 | 8137000000FF | rdi=A0010 | r A0010 4 00FFFFFF ; w A0010 4 FFFFFFFF | f=SP u=A
    test [rdi],cl | 64 | 840F | rdi=A0010 rcx=0F f=C | r A0010 1 F0 | f=ZP u=A
    test [rdi],ecx | 64 | 850F | rdi=A0010 rcx=80000000 | r A0010 4 80000000 | f=SP u=A
    test [rdi],rcx | 64 | 48850F | rdi=A0010 rcx=1 | r A0010 8 1 | f= u=A
    test byte [rdi],imm8 | 64 | F60701 | rdi=A0010 | r A0010 1 1 | f= u=A
    test word [rdi],imm16 | 64 | 66F7070080 | rdi=A0010 | r A0010 2 8000 | f=SP u=A
    test dword [rdi],imm32 | 64 | F70700000080 | rdi=A0010 | r A0010 4 7FFFFFFF | f=ZP u=A
    test qword [rdi],imm32 negative | 64 | 48F70700000080 | rdi=A0010 | r A0010 8 8000000000000000 | f=SP u=A
    not byte [rdi] | 64 | F617 | rdi=A0010 f=OSZAPC | r A0010 1 0F ; w A0010 1 F0 |
    not word [rdi] | 64 | 66F717 | rdi=A0010 | r A0010 2 0F ; w A0010 2 FFF0 |
    not dword [rdi] | 64 | F717 | rdi=A0010 | r A0010 4 0 ; w A0010 4 FFFFFFFF |
    not qword [rdi] | 64 | 48F717 | rdi=A0010 | r A0010 8 0 ; w A0010 8 FFFFFFFFFFFFFFFF |
    lock not dword [rdi] | 64 | F0F717 | rdi=A0010 | r A0010 4 1 ; w A0010 4 FFFFFFFE |
    lock test is no instruction | 64 | F0850F | rdi=A0010 | | !6
    """
