# Linux guests on a bridge of the host: ping and 64 MiB each way, two queues, with and without offloads; interfaces that
# come and go under traffic, and limits that change.
. /lib.sh

at_least() { # at_least NUMBER METRIC LABELS
    at_least_found=$(metric "$2" "$3")
    [ "${at_least_found:-0}" -ge "$1" ] && return 0
    echo "$2{$3} is '$at_least_found', less than $1"
    return 1
}
with_network() { # with_network VM COUNT INTERFACES
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":$2},\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1\"},\"networkInterfaces\":$3}"
}
loses_nothing() { ping -c 3 -W 20 "$1" | grep ' 0% packet loss'; }
fetched() { # fetched: what the guest serves has the checksum of what it was given
    same "$(curl -sS --max-time 300 http://10.7.0.2/data | sha256sum | cut -d' ' -f1)" "$sum"
}
# The guest's network, and data down and up again.
traffic() { # traffic WHAT MIB
    dd if=/dev/urandom of=/run/data bs=1M count=$2 2>/dev/null
    sum=$(sha256sum </run/data | cut -d' ' -f1)
    check "$1: the guest has its interface" answers '^up-15' \
        'mp virtio_pci virtio_net; ip link set eth0 up && ip addr add 10.7.0.2/24 dev eth0 && echo up-$((3*5))'
    check "$1: the guest reaches the host" answers ' 0% packet loss' 'ping -c 3 -W 20 10.7.0.1'
    check "$1: the host reaches the guest" loses_nothing 10.7.0.2
    # Not wget: Debian's static busybox looks up the port's name in it, and dies of that without the C library's files.
    # Its nc ends where the other side has nothing more to say: the guest's standard input stays open.
    nc -l -p 8000 </run/data >/dev/null &
    check "$1: $2 MiB come down whole" answers "^$sum" \
        '[ -p /tmp/open ] || mkfifo /tmp/open; nc 10.7.0.1 8000 <>/tmp/open >/tmp/data; sha256sum </tmp/data' 300
    send linux 'httpd -p 80 -h /tmp; echo serves-$((3*5))'
    check "$1: the guest serves" wait_console linux '^serves-15'
    check "$1: $2 MiB go up whole" fetched
    check "$1: what came is counted" at_least $(($2 << 20)) hvroot_network_bytes_total \
        'vm="linux",interface="net0",direction="received"'
    check "$1: what went is counted" at_least $(($2 << 20)) hvroot_network_bytes_total \
        'vm="linux",interface="net0",direction="sent"'
}
interfaces=/v1/vms/linux/networkInterfaces
second='{"id":"net1","mac":"02:00:00:00:00:11","tap":{"name":"hvt9","bridge":"br1"}}'
told() { # told: an event says that an interface is gone
    curl -sS -f -H 'Accept: application/json' "$server/v1/events?vm=linux" >/tmp/events &&
        grep -q vm.network-interface-ejected /tmp/events
}
attach() { begin POST $interfaces "$second" && ended succeeded; }
detach() { begin DELETE "$interfaces/net1$1" && ended succeeded; }
second_up='until [ -e /sys/class/net/eth1 ]; do sleep 0.2; done
    ip link set eth1 up && ip addr add 10.8.0.2/24 dev eth1 && cat /sys/class/net/eth1/address'
fetch_small() { # fetch_small: half a MiB from the guest; the seconds that it took in $took
    took=$(now)
    [ "$(curl -sS --max-time 120 http://10.7.0.2/small | wc -c)" = 524288 ] || return 1
    took=$(($(now) - took))
}
# A second interface comes and goes in the guest that runs.
hotplug() {
    brctl addbr br1 && ip addr add 10.8.0.1/24 dev br1 && ip link set br1 up
    check "an interface is attached to the guest that runs" attach
    check "the guest finds it, with its address" answers '^02:00:00:00:00:11' "$second_up"
    check "the guest reaches the host by it" answers ' 0% packet loss' 'ping -c 3 -W 20 10.8.0.1'
    check "what goes through it is counted" at_least 3 hvroot_network_packets_total \
        'vm="linux",interface="net1",direction="sent"'
    check "its id is taken" refused already-exists api POST $interfaces "$second"
    check "its address is taken" refused '/mac' api POST $interfaces \
        '{"id":"x","mac":"02:00:00:00:00:11","tap":{}}'
    check "its tap is taken" refused "interface 'net1'" api POST $interfaces '{"id":"x","tap":{"name":"hvt9"}}'
    mark linux
    send linux '(while ping -c 1 -W 1 10.8.0.1 >/dev/null; do :; done; echo ping-ended-$((2*3))) &'
    ping -c 100 -s 1400 -W 1 10.8.0.2 >/dev/null 2>&1 &
    check "it is detached under traffic" detach
    check "what used it has ended" wait_console linux 'ping-ended-6'
    check "the guest has it no more" answers '^gone-6' '[ -e /sys/class/net/eth1 ] || echo gone-$((2*3))'
    check "its tap has gone with it" test ! -d /sys/class/net/hvt9
    check "it is not the VM's any more" refused not-found api GET $interfaces/net1
    check "it is told" told
    check "the first interface is not concerned" answers ' 0% packet loss' 'ping -c 3 -W 20 10.7.0.1'
    check "the same is attached again" attach
    check "it works again" answers '^02:00:00:00:00:11' "$second_up"
    check "the host reaches the guest by it" loses_nothing 10.8.0.2
    check "it is detached again" detach

    check "the guest has something small" answers '^small-4' \
        'dd if=/dev/zero of=/tmp/small bs=64k count=8 2>/dev/null; echo small-$((2*2))'
    check "the limit is changed while the guest runs" same \
        "$(api PATCH $interfaces/net0 '{"rateLimit":{"bytesPerSecond":65536}}' | json .rateLimit.bytesPerSecond)" 65536
    check "half a MiB comes whole" fetch_small
    slow=$took
    check "at 64 KiB a second it takes its time" test "$slow" -ge 6
    check "the limit is taken away" api PATCH $interfaces/net0 '{"rateLimit":null}'
    check "it comes whole again" fetch_small
    check "and faster" test "$took" -lt "$slow"
}
feature() { # feature BIT: what Linux has negotiated of it
    echo "cut -c$(($1 + 1)) /sys/class/net/eth0/device/features"
}

mp tun bridge
brctl addbr br0 && ip addr add 10.7.0.1/24 dev br0 && ip link set br0 up

check "hvrootd starts on the test host" start_server || exit 0
check "a VM with a network interface is defined" with_network linux 2 \
    '[{"id":"net0","mac":"02:00:00:00:00:01","tap":{"name":"hvt0","bridge":"br0"},"queues":2}]'
check "its address is nobody else's" refused 'networkInterfaces/0/mac' with_network other 1 \
    '[{"id":"net0","mac":"02:00:00:00:00:01","tap":{}}]'
check "a VM on a bridge that is not there is defined" with_network lost 1 '[{"id":"net0","tap":{"bridge":"none"}}]'
verb lost start >/dev/null
check "it does not start" wait_state lost failed
check "and says why" refused 'there is no bridge none' sh -c 'curl -s http://127.0.0.1:7480/v1/vms/lost; false'
check "the VM starts" verb linux start
check "Linux boots" wait_console linux GUEST-USERSPACE-OK
with_network thief 1 '[{"id":"net0","tap":{"name":"hvt0"}}]' >/dev/null
check "its tap is nobody else's" refused "VM 'linux'" verb thief start
traffic "offloads" 64
check "the interface has its address" answers '^02:00:00:00:00:01' 'cat /sys/class/net/eth0/address'
check "the interface has two queues" answers '^queues 2 2' \
    'cd /sys/class/net/eth0/queues; echo queues $(ls -d rx-* | wc -l) $(ls -d tx-* | wc -l); cd /'
check "segmentation of TCP was negotiated" answers '^1' "$(feature 11)"
check "merged buffers were negotiated" answers '^1' "$(feature 15)"
hotplug
check "nothing was taken for spoofed" same "$(metric hvroot_network_spoofed_total 'vm="linux"')" 0

mark linux
send linux 'reboot -f'
check "the guest boots again" wait_console linux GUEST-USERSPACE-OK
check "its network is there after the reboot" answers ' 0% packet loss' \
    'mp virtio_pci virtio_net; ip link set eth0 up; ip addr add 10.7.0.2/24 dev eth0; ping -c 3 -W 20 10.7.0.1'
check "another source address goes nowhere" answers ' 100% packet loss' \
    'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:02; ip link set eth0 up; ping -c 2 -W 2 10.7.0.1'
check "and is counted" at_least 1 hvroot_network_spoofed_total 'vm="linux",interface="net0"'
send linux 'poweroff -f'
check "the guest powers off" wait_state linux stopped
check "its tap is gone" until_true '! [ -d /sys/class/net/hvt0 ]'

api DELETE /v1/vms/linux >/dev/null
check "a VM without offloads, with one queue, on a tap that is there" until_true 'tunctl -t hvt1 >/dev/null &&
    brctl addif br0 hvt1 && with_network linux 1 "[{\"id\":\"net0\",\"tap\":{\"name\":\"hvt1\"},\"offloads\":false}]"' 20
check "it starts" verb linux start
check "it boots" wait_console linux GUEST-USERSPACE-OK
traffic "no offloads" 16
check "no segmentation was negotiated" answers '^0' "$(feature 11)"
check "no checksums were negotiated" answers '^0' "$(feature 0)"
check "a second interface is attached" attach
check "the guest finds the second one" answers '^02:00:00:00:00:11' "$second_up"
check "it is taken away by force" detach '?force=true'
check "its tap is gone at once" test ! -d /sys/class/net/hvt9
check "the guest goes on" answers ' 0% packet loss' 'ping -c 3 -W 20 10.7.0.1'
verb linux stop >/dev/null
check "it stops" wait_state linux stopped
check "a tap that was there stays" test -d /sys/class/net/hvt1
