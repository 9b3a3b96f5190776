# What a Linux guest finds on its PCI bus.
. /lib.sh

answers() { # answers PATTERN COMMAND: the command's output in the guest
    mark linux
    send linux "$2" && wait_console linux "$1"
}

check "hvrootd starts on the test host" start_server || exit 0
linux linux 1 /guest/vmlinux >/dev/null
verb linux start >/dev/null
check "a Linux guest boots" wait_console linux 'GUEST-USERSPACE-OK'
check "PCI: the host bridge is there" answers '^found 0x060000' 'echo found $(cat /sys/bus/pci/devices/0000:00:00.0/class)'
check "PCI: configuration space is used through memory" answers '^4096$' 'wc -c </sys/bus/pci/devices/0000:00:00.0/config'
verb linux stop >/dev/null
