# The test host's side of Benchmarks/host/run, which puts `rounds` and `parts` before it. Prints `BENCH what who value`.
. /lib.sh

centiseconds() { sed 's/ .*//; s/\.//' /proc/uptime; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; } # KiB
kernel='console=ttyS0 quiet panic=-1'

# until_printed FILE PATTERN: as soon as the file has the pattern.
until_printed() {
    printed_deadline=$(($(now) + 300))
    until grep -q -a "$2" "$1" 2>/dev/null; do
        [ "$(now)" -ge $printed_deadline ] && return 1
        usleep 30000
    done
}

# rates WHO FILE: what a guest measured, as it printed it.
rates() {
    tr -d '\r' <"$2" | grep -a '^GUEST-IO ' | while read -r _ work value; do echo "BENCH $work/s $1 $value"; done
}

# qemu MACHINE ARGUMENT...: boots the guest until it has printed $wanted.
qemu() {
    machine=$1
    shift
    rm -f /tmp/qemu.console
    begin=$(centiseconds)
    qemu-system-x86_64 -L /usr/share/qemu -accel kvm -cpu host -M "$machine" -smp 1 -m 256 -nodefaults -no-user-config \
        -display none -serial file:/tmp/qemu.console -no-reboot -kernel /guest/vmlinux -initrd /guest/initrd "$@" \
        >/tmp/qemu.log 2>&1 &
    process=$!
    until_printed /tmp/qemu.console "$wanted" || { cat /tmp/qemu.log; tail -c 500 /tmp/qemu.console; exit 1; }
    took=$(($(centiseconds) - begin))
}
end_qemu() {
    kill $process
    wait $process 2>/dev/null
}

# hvroot NAME: the same.
hvroot() {
    rm -f $state_dir/vms/"$1"/console.ring
    begin=$(centiseconds)
    verb "$1" start >/dev/null || exit 1
    until_printed $state_dir/vms/"$1"/console.ring "$wanted" || { tail -n 20 /tmp/hvrootd.log; exit 1; }
    took=$(($(centiseconds) - begin))
}
end_hvroot() {
    verb "$1" stop >/dev/null
    wait_state "$1" stopped
}

define() { # NAME COMMAND-LINE MEMBERS
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":1},\"memory\":{\"size\":\"256MiB\"},$3
        \"boot\":{\"kernel\":\"/guest/vmlinux\",\"initrd\":\"/guest/initrd\",\"commandLine\":\"$2\"}}" >/dev/null || exit 1
}

measure_boot() {
    wanted=GUEST-USERSPACE-OK
    hvroot boot
    echo "BENCH boot-to-userspace,s hvroot $((took / 100)).$(printf %02d $((took % 100)))"
    echo "BENCH resident,KiB hvroot $(resident "$(pidof hvroot-partition)")"
    end_hvroot boot
    for machine in q35 microvm,rtc=on; do
        who=qemu-${machine%,*}
        qemu $machine -append "$kernel"
        echo "BENCH boot-to-userspace,s $who $((took / 100)).$(printf %02d $((took % 100)))"
        echo "BENCH resident,KiB $who $(resident $process)"
        end_qemu
    done
}
measure_disk() {
    wanted=GUEST-IO-DONE
    hvroot io
    rates hvroot $state_dir/vms/io/console.ring
    end_hvroot io
    qemu q35 -append "$kernel io" -object iothread,id=t \
        -drive if=none,id=d,format=raw,file=/run/disk.img,cache=writeback,aio=io_uring \
        -device virtio-blk-pci,drive=d,iothread=t
    rates qemu-q35 /tmp/qemu.console
    end_qemu
}
measure_network() {
    wanted=GUEST-IO-DONE
    hvroot net
    rates hvroot $state_dir/vms/net/console.ring
    end_hvroot net
    qemu q35 -append "$kernel net" -netdev tap,id=n,ifname=bench0,script=no,downscript=no,vhost=off \
        -device virtio-net-pci,netdev=n,romfile=
    rates qemu-q35 /tmp/qemu.console
    end_qemu
}

start_server || exit 1
head -c 67108864 /dev/zero | tr '\0' 'x' >/run/disk.img
mp tun bridge
# The tap stays while its guests come and go.
tunctl -t bench0 >/dev/null
ip addr add 10.5.0.1/24 dev bench0 && ip link set bench0 up
net serve 5001 &
define boot "$kernel" ''
define io "$kernel io" '"disks":[{"id":"d","path":"/run/disk.img","cache":"writeback"}],'
define net "$kernel net" '"networkInterfaces":[{"id":"n","tap":{"name":"bench0"}}],'

for part in $parts; do
    for round in $(seq "$rounds"); do measure_$part; done
done
