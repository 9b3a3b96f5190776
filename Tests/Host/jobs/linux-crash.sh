# A guest's crash: pvpanic tells of a kernel's panic, a core file keeps what was in memory, the restart policy starts the
# guest again.
. /lib.sh

state_code() { field linux .stateReason.code; }
core_of() { field linux .stateReason.coreDump; }
elf_field() { dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null | od -A n -t "u$3" | tr -d ' '; } # FILE OFFSET BYTES
panics() { # the kernel of the VM panics, after it was told of its crash device
    send linux 'mp pvpanic_pci; echo 1 >/proc/sys/kernel/sysrq; echo marker-of-the-crash >/tmp/marker; sync'
    send linux 'echo c >/proc/sysrq-trigger'
}
is_a_core() { # FILE: ELF, 64 bits, a core of x86-64
    [ "$(head -c 4 "$1" | tail -c 3)" = ELF ] && same "$(elf_field "$1" 16 2)" 4 && same "$(elf_field "$1" 18 2)" 62
}

check "hvrootd starts on the test host" start_server || exit 0
linux linux 1 /guest/vmlinux >/dev/null
check "it asks for core files and for restarts" api PATCH /v1/vms/linux \
    '{"coreDump":true,"restart":{"policy":"on-failure","initialDelay":15}}'
check "a Linux guest starts" verb linux start
check "it boots" wait_console linux 'GUEST-USERSPACE-OK'

mark linux
panics
check "a panic ends the guest" wait_state linux failed
check "the kernel's last words are on the console" console_has linux 'Kernel panic - not syncing'
check "the reason is the panic" same "$(state_code)" guest-panic
core=$(core_of)
# Long before the restart is due.
mark linux
check "its memory is in a core file" is_a_core "$core"
check "the core file has the kernel's own note" grep -q "OSRELEASE=$(uname -r)" "$core"
check "the core file has what was in memory" grep -q 'marker-of-the-crash' "$core"
check "the core file has the kernel's addresses" [ "$(elf_field "$core" 56 2)" -gt 2 ]
check "the guest is started again" wait_console linux 'GUEST-USERSPACE-OK'
check "its state is running" wait_state linux running
check "the reason is the restart" same "$(state_code)" restarted

mark linux
send linux 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger'
check "without pvpanic a panic reboots the guest as its kernel was told" wait_console linux 'GUEST-USERSPACE-OK'
check "that is no crash of the VM" same "$(state linux)" running

check "a stop ends it" verb linux stop
check "it stays off" wait_state linux stopped
