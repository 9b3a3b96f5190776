# A Linux guest whose packets the host's kernel moves (vhost-net): both ways, counted, limited, kept to its address, over
# pauses, resets and the server's end.
. /lib.sh

at_least() { # at_least NUMBER METRIC LABELS
    at_least_found=$(metric "$2" "$3")
    [ "${at_least_found:-0}" -ge "$1" ] && return 0
    echo "$2{$3} is '$at_least_found', less than $1"
    return 1
}
worker() { field linux .processId; }
# The kernel's threads of the worker are named after it; they belong to it in later kernels.
kernel_serves() {
    pgrep "^vhost-$(worker)\$" >/dev/null || grep -q vhost /proc/"$(worker)"/task/*/comm
}
descriptors() { ls -l "/proc/$(worker)/fd" | grep -c vhost-net; }
this_process_serves() { same "$(descriptors)" 0 && grep -q '^net queues' /proc/"$(worker)"/task/*/comm; }
loses_nothing() { ping -c 3 -W 20 10.7.0.2 | grep ' 0% packet loss'; }
up='mp virtio_pci virtio_net; ip link set eth0 up && ip addr add 10.7.0.2/24 dev eth0 && echo up-$((3*5))'
down_whole() { # down_whole: what the guest gets has the checksum of what it was sent
    nc -l -p 8000 </run/data >/dev/null &
    answers "^$sum" '[ -p /tmp/open ] || mkfifo /tmp/open; nc 10.7.0.1 8000 <>/tmp/open >/tmp/data; sha256sum </tmp/data' 300
}
up_whole() { # up_whole: what the guest serves has the checksum of what it was sent
    same "$(curl -sS --max-time 300 http://10.7.0.2/data | sha256sum | cut -d' ' -f1)" "$sum" && return 0
    echo "the VM: $(state linux) $(field linux .stateReason.message)"
    return 1
}
interface=/v1/vms/linux/networkInterfaces/net0
define() { # define VM INTERFACE
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":2},\"memory\":{\"size\":\"256MiB\",\"maximum\":\"512MiB\"},
        \"boot\":{\"kernel\":\"/guest/vmlinux\",\"initrd\":\"/guest/initrd\",
        \"commandLine\":\"console=ttyS0 quiet panic=-1 memhp_default_state=online_kernel\"},\"networkInterfaces\":[$2]}"
}

mp tun
check "hvrootd starts on the test host" start_server || exit 0
define early '{"id":"net0","tap":{"name":"hve0"},"vhost":"on"}' >/dev/null
verb early start >/dev/null
check "without vhost-net a VM that must have it does not start" wait_state early failed
check "and says why" refused 'modprobe vhost_net' sh -c 'curl -s http://127.0.0.1:7480/v1/vms/early; false'
check "a limit and vhost do not go together" refused 'networkInterfaces/0/vhost' define wrong \
    '{"id":"net0","tap":{},"vhost":"on","rateLimit":{"packetsPerSecond":1000}}'
mp vhost_net sch_ingress cls_bpf act_gact
dd if=/dev/urandom of=/run/data bs=1M count=32 2>/dev/null
sum=$(sha256sum </run/data | cut -d' ' -f1)
define linux '{"id":"net0","mac":"02:00:00:00:00:01","tap":{"name":"hvt0"},"queues":2}' >/dev/null
check "a VM starts" verb linux start
check "it boots" wait_console linux GUEST-USERSPACE-OK
ip addr add 10.7.0.1/24 dev hvt0 && ip link set hvt0 up
check "the guest has its interface" answers '^up-15' "$up"
check "the guest reaches the host" answers ' 0% packet loss' 'ping -c 3 -W 20 10.7.0.1'
check "the host reaches the guest" loses_nothing
check "the host's kernel serves the queues" kernel_serves
check "packed queues were not offered" answers '^0' 'cut -c35 /sys/class/net/eth0/device/features'
check "32 MiB come down whole" down_whole
answers '^serves-15' 'httpd -p 80 -h /tmp; echo serves-$((3*5))' >/dev/null
check "32 MiB go up whole" up_whole
check "what came is counted" until_true \
    'at_least 33554432 hvroot_network_bytes_total "vm=\"linux\",interface=\"net0\",direction=\"received\""' 10
check "what went is counted" until_true \
    'at_least 33554432 hvroot_network_bytes_total "vm=\"linux\",interface=\"net0\",direction=\"sent\""' 10

check "a limit is set while the guest runs" api PATCH $interface '{"rateLimit":{"bytesPerSecond":4194304}}'
check "now the VM's process moves the packets" this_process_serves
check "they come whole" up_whole
check "the limit is taken away" api PATCH $interface '{"rateLimit":null}'
check "the kernel moves them again" test "$(descriptors)" -ge 1
check "they come whole again" up_whole

# New memory is above 4 GiB, of the kernel's normal zone: what it allocates for packets comes from there from now on.
answers '^driver-6' 'mp virtio_mem; echo driver-$((2*3))' >/dev/null
check "the guest's memory grows" api PATCH /v1/vms/linux '{"memory":{"size":"512MiB"}}'
check "it has it" until_true '[ "$(metric hvroot_vm_memory_mapped_bytes "vm=\"linux\"")" = 536870912 ]' 60
check "the kernel knows it: packets come whole" down_whole
check "and go whole" up_whole

ping -c 200 -i 0.2 -W 5 10.7.0.2 >/tmp/ping 2>&1 &
pinging=$!
kill -9 $server_pid
check "packets go on while there is no server" loses_nothing
check "a new server is there" start_server
check "it has the VM" same "$(state linux)" running
check "a pause" verb linux pause
check "is one" wait_state linux paused
check "it goes on" verb linux resume
check "and answers" loses_nothing
kill $pinging

check "another source address goes nowhere" answers ' 100% packet loss' \
    'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:02; ip link set eth0 up; ping -c 2 -W 2 10.7.0.1'
check "and is counted" until_true 'at_least 1 hvroot_network_spoofed_total "vm=\"linux\",interface=\"net0\""' 10

mark linux
send linux 'reboot -f'
check "the guest boots again" wait_console linux GUEST-USERSPACE-OK
check "it has its interface again" answers '^up-15' "$up"
check "it is reached by it" loses_nothing
check "by the kernel" kernel_serves
verb linux stop >/dev/null
check "it stops" wait_state linux stopped
check "its tap is gone" until_true '! [ -d /sys/class/net/hvt0 ]'
check "and the kernel's threads" until_true '! ps | grep -q "[v]host-"' 10
