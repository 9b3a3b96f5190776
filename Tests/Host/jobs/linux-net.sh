# Linux guests on a bridge of the host: ping and 64 MiB each way, two queues, with and without offloads.
. /lib.sh

answers() { # answers PATTERN COMMAND [SECONDS]: the command's output in the guest
    mark linux
    send linux "$2" && wait_console linux "$1" "$3"
}
refused() { # refused FRAGMENT COMMAND...: the call fails and its answer has the fragment
    refused_for=$1
    shift
    "$@" >/tmp/refused 2>&1 && echo "it was not refused" && return 1
    grep -q "$refused_for" /tmp/refused && return 0
    cat /tmp/refused
    return 1
}
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
# The guest's network, and 64 MiB down and up again.
traffic() { # traffic WHAT
    check "$1: the guest has its interface" answers '^up-15' \
        'mp virtio_pci virtio_net; ip link set eth0 up && ip addr add 10.7.0.2/24 dev eth0 && echo up-$((3*5))'
    check "$1: the guest reaches the host" answers ' 0% packet loss' 'ping -c 3 -W 20 10.7.0.1'
    check "$1: the host reaches the guest" loses_nothing 10.7.0.2
    # Not wget: Debian's static busybox looks up the port's name in it, and dies of that without the C library's files.
    # Its nc ends where the other side has nothing more to say: the guest's standard input stays open.
    nc -l -p 8000 </run/data >/dev/null &
    check "$1: 64 MiB come down whole" answers "^$sum" \
        '[ -p /tmp/open ] || mkfifo /tmp/open; nc 10.7.0.1 8000 <>/tmp/open >/tmp/data; sha256sum </tmp/data' 300
    send linux 'httpd -p 80 -h /tmp; echo serves-$((3*5))'
    check "$1: the guest serves" wait_console linux '^serves-15'
    check "$1: 64 MiB go up whole" fetched
    check "$1: what came is counted" at_least 67108864 hvroot_network_bytes_total \
        'vm="linux",interface="net0",direction="received"'
    check "$1: what went is counted" at_least 67108864 hvroot_network_bytes_total \
        'vm="linux",interface="net0",direction="sent"'
}
feature() { # feature BIT: what Linux has negotiated of it
    echo "cut -c$(($1 + 1)) /sys/class/net/eth0/device/features"
}

mp tun bridge
brctl addbr br0 && ip addr add 10.7.0.1/24 dev br0 && ip link set br0 up
dd if=/dev/urandom of=/run/data bs=1M count=64 2>/dev/null
sum=$(sha256sum </run/data | cut -d' ' -f1)

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
traffic "offloads"
check "the interface has its address" answers '^02:00:00:00:00:01' 'cat /sys/class/net/eth0/address'
check "the interface has two queues" answers '^queues 2 2' \
    'cd /sys/class/net/eth0/queues; echo queues $(ls -d rx-* | wc -l) $(ls -d tx-* | wc -l); cd /'
check "segmentation of TCP was negotiated" answers '^1' "$(feature 11)"
check "merged buffers were negotiated" answers '^1' "$(feature 15)"
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
traffic "no offloads"
check "no segmentation was negotiated" answers '^0' "$(feature 11)"
check "no checksums were negotiated" answers '^0' "$(feature 0)"
verb linux stop >/dev/null
check "it stops" wait_state linux stopped
check "a tap that was there stays" test -d /sys/class/net/hvt1
