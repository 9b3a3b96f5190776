# Linux guests with two processors, from an ELF kernel and from a bzImage.
. /lib.sh

interrupts_everywhere() { # both processors take timer interrupts
    mark "$1"
    send "$1" 'echo "timer: $(grep LOC: /proc/interrupts)"' && wait_console "$1" 'timer: *LOC: *[1-9][0-9]* *[1-9]'
}

check "hvrootd starts on the test host" start_server || exit 0

linux elf 2 /guest/vmlinux >/dev/null
verb elf start >/dev/null
check "an ELF kernel boots to userspace with 2 processors" wait_console elf 'GUEST-USERSPACE-OK.* cpus=2$'
check "both processors take timer interrupts" interrupts_everywhere elf
send elf 'poweroff -f'
check "a guest with 2 processors powers off" wait_state elf stopped

linux direct 2 /guest/vmlinux linux64 >/dev/null
verb direct start >/dev/null
check "an ELF kernel boots by the 64-bit protocol" wait_console direct 'GUEST-USERSPACE-OK.* cpus=2$'
verb direct stop >/dev/null
check "stop ends it while it idles" wait_state direct stopped

linux bz 2 /guest/bzImage >/dev/null
verb bz start >/dev/null
check "a bzImage boots to userspace with 2 processors" wait_console bz 'GUEST-USERSPACE-OK.* cpus=2$'
mark bz
verb bz reset >/dev/null
check "reset: a guest with 2 processors boots again" wait_console bz 'GUEST-USERSPACE-OK.* cpus=2$'
verb bz stop >/dev/null
check "stop ends a running guest" wait_state bz stopped
