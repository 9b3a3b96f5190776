/// MOVS, STOS, LODS, CMPS and SCAS.
let stringTable = """
    stosb | 64 | AA | rdi=A0010 rax=1122 | w A0010 1 22 | rdi=A0011
    stosw | 64 | 66AB | rdi=A0010 rax=112233 | w A0010 2 2233 | rdi=A0012
    stosd | 64 | AB | rdi=A0010 rax=1122334455 | w A0010 4 22334455 | rdi=A0014
    stosq | 64 | 48AB | rdi=A0010 rax=1122334455667788 | w A0010 8 1122334455667788 | rdi=A0018
    stosd backwards | 64 | AB | rdi=A0010 rax=5 f=D | w A0010 4 5 | rdi=A000C
    stosd edi | 64 | 67AB | rdi=FFFFFFFF000A0010 rax=5 | w A0010 4 5 | rdi=A0014
    rep stosb | 64 | F3AA | rdi=A0010 rax=7 rcx=3 | w A0010 1 7 ; w A0011 1 7 ; w A0012 1 7 | rdi=A0013 rcx=0
    rep stosd | 64 | F3AB | rdi=A0010 rax=7 rcx=2 | w A0010 4 7 ; w A0014 4 7 | rdi=A0018 rcx=0
    rep stosq backwards | 64 | F348AB | rdi=A0010 rax=7 rcx=2 f=D | w A0010 8 7 ; w A0008 8 7 | rdi=A0000 rcx=0
    rep stosb no times | 64 | F3AA | rdi=A0010 rcx=0 | | 
    repne stosb | 64 | F2AA | rdi=A0010 rax=7 rcx=2 | w A0010 1 7 ; w A0011 1 7 | rdi=A0012 rcx=0
    rep stosb ecx | 64 | F367AA | rdi=A0010 rax=7 rcx=FFFFFFFF00000002 | w A0010 1 7 ; w A0011 1 7 | rdi=A0012 rcx=0
    rep stosb from memory into a device | 64 | F3AA | rdi=9FFFE rax=7 rcx=4 | w A0000 1 7 ; w A0001 1 7 | rdi=A0002 rcx=0 9FFFE:0707
    lodsb | 64 | AC | rsi=A0010 rax=FFFF | r A0010 1 12 | rsi=A0011 rax=FF12
    lodsw | 64 | 66AD | rsi=A0010 rax=FFFFFFFF | r A0010 2 1234 | rsi=A0012 rax=FFFF1234
    lodsd | 64 | AD | rsi=A0010 rax=FFFFFFFFFFFFFFFF | r A0010 4 1234 | rsi=A0014 rax=1234
    lodsq | 64 | 48AD | rsi=A0010 | r A0010 8 1122334455667788 | rsi=A0018 rax=1122334455667788
    lodsd backwards | 64 | AD | rsi=A0010 f=D | r A0010 4 5 | rsi=A000C rax=5
    rep lodsb | 64 | F3AC | rsi=A0010 rcx=3 rax=0 | r A0010 1 1 ; r A0011 1 2 ; r A0012 1 3 | rsi=A0013 rcx=0 rax=3
    lodsd fs: | 64 | 64AD | rsi=10 | r A0010 4 5 | rsi=14 rax=5
    movsb into a device | 64 | A4 | rsi=1000 rdi=A0010 1000:AA | w A0010 1 AA | rsi=1001 rdi=A0011
    movsw out of a device | 64 | 66A5 | rsi=A0010 rdi=1000 | r A0010 2 1234 | rsi=A0012 rdi=1002 1000:3412
    movsd device to device | 64 | A5 | rsi=A0010 rdi=B0000 | r A0010 4 12345678 ; w B0000 4 12345678 | rsi=A0014 rdi=B0004
    movsq | 64 | 48A5 | rsi=A0010 rdi=B0000 | r A0010 8 1122334455667788 ; w B0000 8 1122334455667788 | rsi=A0018 rdi=B0008
    movsd backwards | 64 | A5 | rsi=A0010 rdi=B0010 f=D | r A0010 4 1 ; w B0010 4 1 | rsi=A000C rdi=B000C
    movsd gs: | 64 | 65A5 | rsi=10 rdi=A0010 | r B0010 4 1 ; w A0010 4 1 | rsi=14 rdi=A0014
    rep movsb | 64 | F3A4 | rsi=1000 rdi=A0010 rcx=3 1000:010203 | w A0010 1 1 ; w A0011 1 2 ; w A0012 1 3 | rsi=1003 rdi=A0013 rcx=0
    rep movsd | 64 | F3A5 | rsi=A0010 rdi=1000 rcx=2 | r A0010 4 4030201 ; r A0014 4 8070605 | rsi=A0018 rdi=1008 rcx=0 1000:0102030405060708
    rep movsw device to device | 64 | F366A5 | rsi=A0010 rdi=B0000 rcx=2 | r A0010 2 1 ; w B0000 2 1 ; r A0012 2 2 ; w B0002 2 2 | rsi=A0014 rdi=B0004 rcx=0
    rep movsb esi | 64 | F367A4 | rsi=FFFFFFFF00001000 rdi=FFFFFFFF000A0010 rcx=1 1000:AA | w A0010 1 AA | rsi=1001 rdi=A0011 rcx=0
    cmpsb equal | 64 | A6 | rsi=A0010 rdi=B0000 | r A0010 1 5 ; r B0000 1 5 | rsi=A0011 rdi=B0001 f=ZP
    cmpsw | 64 | 66A7 | rsi=A0010 rdi=1000 1000:0200 | r A0010 2 1 | rsi=A0012 rdi=1002 f=CSAP
    cmpsd | 64 | A7 | rsi=1000 rdi=A0010 1000:05000000 | r A0010 4 3 | rsi=1004 rdi=A0014 f=
    cmpsq | 64 | 48A7 | rsi=A0010 rdi=B0000 | r A0010 8 8000000000000000 ; r B0000 8 1 | rsi=A0018 rdi=B0008 f=OAP
    repe cmpsb ends at a difference | 64 | F3A6 | rsi=A0010 rdi=1000 rcx=5 1000:0102 | r A0010 1 1 ; r A0011 1 3 | rsi=A0012 rdi=1002 rcx=3 f=
    repe cmpsb ends with the count | 64 | F3A6 | rsi=A0010 rdi=1000 rcx=2 1000:0102 | r A0010 1 1 ; r A0011 1 2 | rsi=A0012 rdi=1002 rcx=0 f=ZP
    repne cmpsd ends at a match | 64 | F2A7 | rsi=A0010 rdi=B0000 rcx=9 | r A0010 4 1 ; r B0000 4 2 ; r A0014 4 7 ; r B0004 4 7 | rsi=A0018 rdi=B0008 rcx=7 f=ZP
    repe cmpsb no times keeps the flags | 64 | F3A6 | rcx=0 f=OSZAPC | | 
    scasb | 64 | AE | rdi=A0010 rax=5 | r A0010 1 5 | rdi=A0011 f=ZP
    scasw | 64 | 66AF | rdi=A0010 rax=FFFF0001 | r A0010 2 2 | rdi=A0012 f=CSAP
    scasd | 64 | AF | rdi=A0010 rax=3 | r A0010 4 1 | rdi=A0014 f=
    scasq backwards | 64 | 48AF | rdi=A0010 rax=3 f=D | r A0010 8 1 | rdi=A0008 f=
    repne scasb | 64 | F2AE | rdi=A0010 rax=0 rcx=FFFFFFFFFFFFFFFF | r A0010 1 41 ; r A0011 1 0 | rdi=A0012 rcx=FFFFFFFFFFFFFFFD f=ZP
    repe scasd | 64 | F3AF | rdi=A0010 rax=1 rcx=5 | r A0010 4 1 ; r A0014 4 2 | rdi=A0018 rcx=3 f=CSAP
    rep movsb esi | 32 | F3A4 | rsi=1000 rdi=A0010 rcx=2 1000:0102 | w A0010 1 1 ; w A0011 1 2 | rsi=1002 rdi=A0012 rcx=0
    movsb si | 32 | 67A4 | rsi=12341000 rdi=1000A0 1000:55 | | rsi=12341001 rdi=1000A1 A0:55
    stosb di wraps | 16 | AA | rdi=1234FFFF rax=1 | w BFFFF 1 1 | rdi=12340000
    rep stosw | 16 | F3AB | rdi=10 rax=1234 rcx=FFFF0002 | w B0010 2 1234 ; w B0012 2 1234 | rdi=14 rcx=FFFF0000
    stosd edi | 16 | 6667AB | rdi=10 rax=12345678 | w B0010 4 12345678 | rdi=14
    rep movsw | real | F3A5 | rsi=0 rdi=100 rcx=2 | r A0000 2 1 ; w B0100 2 1 ; r A0002 2 2 ; w B0102 2 2 | rsi=4 rdi=104 rcx=0
    movsb fs: | real | 64A4 | rsi=10 rdi=20 10010:77 | w B0020 1 77 | rsi=11 rdi=21
    lodsb ss: | real | 36AC | rsi=10 rax=0 20010:77 | | rsi=11 rax=77
    """

/// IN, OUT, INS and OUTS.
let portTable = """
    in al,imm8 | 64 | E460 | rax=FFFF | i 60 1 12 | rax=FF12
    in ax,imm8 | 64 | 66E5F8 | rax=FFFFFFFF | i F8 2 1234 | rax=FFFF1234
    in eax,imm8 | 64 | E5F8 | rax=FFFFFFFFFFFFFFFF | i F8 4 80000000 | rax=80000000
    in al,dx | 64 | EC | rdx=FFFF03F8 rax=0 | i 3F8 1 61 | rax=61
    in ax,dx | 64 | 66ED | rdx=CFC rax=0 | i CFC 2 8086 | rax=8086
    in eax,dx | 64 | ED | rdx=CFC rax=0 | i CFC 4 12378086 | rax=12378086
    out imm8,al | 64 | E680 | rax=1122 | o 80 1 22 |
    out imm8,ax | 64 | 66E780 | rax=112233 | o 80 2 2233 |
    out imm8,eax | 64 | E7FF | rax=1122334455 | o FF 4 22334455 |
    out dx,al | 64 | EE | rdx=3F8 rax=1141 | o 3F8 1 41 |
    out dx,ax | 64 | 66EF | rdx=3F8 rax=4141 | o 3F8 2 4141 |
    out dx,eax | 64 | EF | rdx=CF8 rax=80000000 | o CF8 4 80000000 |
    out dx,eax with REX.W | 64 | 48EF | rdx=CF8 rax=1122334455 | o CF8 4 22334455 |
    insb | 64 | 6C | rdx=3F8 rdi=1000 | i 3F8 1 41 | rdi=1001 1000:41
    insw | 64 | 666D | rdx=1F0 rdi=1000 | i 1F0 2 4241 | rdi=1002 1000:4142
    insd into a device | 64 | 6D | rdx=1F0 rdi=A0010 | i 1F0 4 12345678 ; w A0010 4 12345678 | rdi=A0014
    rep insw | 64 | F3666D | rdx=1F0 rdi=1000 rcx=2 | i 1F0 2 4241 ; i 1F0 2 4443 | rdi=1004 rcx=0 1000:41424344
    rep insb backwards | 64 | F36C | rdx=1F0 rdi=1001 rcx=2 f=D | i 1F0 1 41 ; i 1F0 1 42 | rdi=FFF rcx=0 1000:4241
    outsb | 64 | 6E | rdx=3F8 rsi=1000 1000:41 | o 3F8 1 41 | rsi=1001
    outsw | 64 | 666F | rdx=3F8 rsi=1000 1000:4142 | o 3F8 2 4241 | rsi=1002
    outsd out of a device | 64 | 6F | rdx=3F8 rsi=A0010 | r A0010 4 1234 ; o 3F8 4 1234 | rsi=A0014
    rep outsb | 64 | F36E | rdx=3F8 rsi=1000 rcx=3 1000:414243 | o 3F8 1 41 ; o 3F8 1 42 ; o 3F8 1 43 | rsi=1003 rcx=0
    rep outsb gs: | 64 | F3656E | rdx=3F8 rsi=10 rcx=1 | r B0010 1 7 ; o 3F8 1 7 | rsi=11 rcx=0
    rep insb no times | 64 | F36C | rcx=0 | |
    out dx,al | 16 | EE | rdx=3F8 rax=41 | o 3F8 1 41 |
    in eax,dx | real | 66ED | rdx=CFC | i CFC 4 12345678 | rax=12345678
    rep outsb | real | F36E | rdx=3F8 rsi=10 rcx=2 | r A0010 1 1 ; o 3F8 1 1 ; r A0011 1 2 ; o 3F8 1 2 | rsi=12 rcx=0
    insb | 32 | 6C | rdx=3F8 rdi=1000 | i 3F8 1 41 | rdi=1001 1000:41
    """
