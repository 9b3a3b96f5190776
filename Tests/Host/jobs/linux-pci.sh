# What a Linux guest finds on its PCI bus.
. /lib.sh


check "hvrootd starts on the test host" start_server || exit 0
linux linux 1 /guest/vmlinux >/dev/null
verb linux start >/dev/null
check "a Linux guest boots" wait_console linux 'GUEST-USERSPACE-OK'
check "PCI: the host bridge is there" answers '^found 0x060000' 'echo found $(cat /sys/bus/pci/devices/0000:00:00.0/class)'
check "PCI: configuration space is used through memory" answers '^4096$' 'wc -c </sys/bus/pci/devices/0000:00:00.0/config'
send linux 'mp virtio_pci virtio_rng'
check "virtio-rng: Linux's driver has it" answers '^virtio_rng' 'cat /sys/class/misc/hw_random/rng_current | cut -c 1-10'
check "virtio-rng: random bytes arrive" answers '^got 4096' 'head -c 4096 /dev/hwrng >/tmp/rng; echo got $(wc -c </tmp/rng)'
check "virtio-rng: they differ" answers '^differ' 'head -c 2048 /tmp/rng >/tmp/a; tail -c 2048 /tmp/rng | cmp -s - /tmp/a || echo differ'
verb linux stop >/dev/null
