# Networks that need no bridge: passt for a server without any privileges, and macvtap. Traffic both ways, and nothing is left
# of either when it is killed.
. /lib.sh

# passt changes its root to an empty one, which Linux allows nobody whose root is the initial file system.
if [ -z "$moved" ]; then
    mkdir /moved && mount -o rbind / /moved && cd /moved && mount -o move . / || exit 1
    moved=yes exec chroot . /bin/sh /job
fi

define() { # define VM INTERFACE
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":2},\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1\"},\"networkInterfaces\":[$2]}"
}
down_whole() { # down_whole: what the guest gets from the outside has the checksum of what it was sent
    nsenter -t $outside -n nc -l -p 8000 </run/data >/dev/null &
    answers "^$sum" '[ -p /tmp/open ] || mkfifo /tmp/open; nc 203.0.113.2 8000 <>/tmp/open >/tmp/data; sha256sum </tmp/data' 300
}
up_whole() { # up_whole COMMAND...: what the command prints has it too
    same "$("$@" | sha256sum | cut -d' ' -f1)" "$sum"
}
passt_of() { # passt_of MTU: its process id
    for process in $(pidof passt passt.avx2); do
        tr '\0' ' ' <"/proc/$process/cmdline" | grep -q -e "--mtu $1 " && echo "$process" && return 0
    done
}
passt_is_another() { [ -n "$(passt_of 1400)" ] && [ "$(passt_of 1400)" != "$1" ]; }
as_nobody() { # as_nobody PROCESS: it has neither root's id nor a capability
    grep -q '^Uid:.65534.65534' /proc/$1/status && grep -q '^CapEff:.0*$' /proc/$1/status && return 0
    grep -E 'Uid|Cap' /proc/$1/status
    return 1
}
macvtaps() { ls /sys/class/net | grep -c ^hvm; }
worker() { field "$1" .processId; } # worker VM: its process id

mp tun veth macvtap
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>/etc/passwd
echo 'nogroup:x:65534:' >>/etc/group
ip=/usr/sbin/ip
# The outside: a network of its own, behind a link of the host's. There the host's packets go by default.
unshare -n sleep 10000 &
outside=$!
sleep 0.5
$ip link add out0 type veth peer name out1 && $ip link set out1 netns $outside
$ip addr add 203.0.113.1/24 dev out0 && $ip link set out0 up && $ip route add default via 203.0.113.2
nsenter -t $outside -n $ip addr add 203.0.113.2/24 dev out1
nsenter -t $outside -n $ip link set out1 up
chmod 666 /dev/kvm
dd if=/dev/urandom of=/run/data bs=1M count=32 2>/dev/null
sum=$(sha256sum </run/data | cut -d' ' -f1)

# User mode: an ordinary user's server.
mkdir -p $state_dir $run_dir && chown nobody:nogroup $state_dir $run_dir
cat >/bin/as-nobody <<'END'
#!/bin/sh
program=$1
shift
exec start-stop-daemon -S -c nobody:nogroup -x "$program" -- "$@"
END
chmod +x /bin/as-nobody
launch=/bin/as-nobody
check "hvrootd starts as nobody" start_server || exit 0
check "it has no privileges" as_nobody $server_pid
user='{"id":"net0","user":{"forwards":[{"hostPort":8080,"guestPort":80}]},"mtu":1400}'
check "two forwards of one port are refused" refused 'forwards/1/hostPort' define wrong \
    '{"id":"net0","user":{"forwards":[{"hostPort":80,"guestPort":80},{"hostPort":80,"guestPort":81}]}}'
guest=linux
define linux "$user" >/dev/null
check "a VM with a user-mode network starts" verb linux start
check "Linux boots" wait_console linux GUEST-USERSPACE-OK
check "its passt has no privileges either" as_nobody "$(passt_of 1400)"
client='cat >/tmp/dhcp <<"END"
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev $interface; ip addr add $ip/$mask dev $interface; ip route add default via $router; echo lease-$ip
END
chmod +x /tmp/dhcp; mp virtio_pci virtio_net; ip link set lo up; ip link set eth0 up; udhcpc -i eth0 -n -q -s /tmp/dhcp'
check "the guest has the host's address by DHCP" answers '^lease-203.0.113.1' "$client"
check "its MTU is what was asked for" answers '^mtu-1400' 'echo mtu-$(cat /sys/class/net/eth0/mtu)'
check "32 MiB come down whole" down_whole
send linux 'httpd -p 80 -h /tmp; echo serves-$((3*5))'
check "the guest serves" wait_console linux '^serves-15'
check "32 MiB go up whole through a forwarded port" up_whole curl -sS --max-time 300 http://127.0.0.1:8080/data
check "which nobody outside reaches" refused . nsenter -t $outside -n nc -w 3 203.0.113.1 8080
check "the guest does not reach the host's own loopback" answers '^closed-6' \
    'nc -w 5 203.0.113.2 7480 </dev/null || echo closed-$((2*3))'
first=$(passt_of 1400)
kill -9 $first
check "a passt that was killed is there again" until_true "passt_is_another $first"
check "and the guest goes on" until_true 'up_whole curl -sS --max-time 300 http://127.0.0.1:8080/data'
other='{"id":"net0","user":{"forwards":[{"hostPort":8080,"guestPort":80}]}}'
define second "$other" >/dev/null
verb second start >/dev/null
check "a second VM with the same port does not start" wait_state second failed
check "and says why" refused passt sh -c 'curl -s http://127.0.0.1:7480/v1/vms/second; false'
kill -9 $(worker linux)
check "with the worker passt goes" until_true '[ -z "$(passt_of 1400)" ]'
kill $server_pid
check "the server ends" until_true "! [ -d /proc/$server_pid ]"

# macvtap: the guest is on the link of the host's interface.
launch=''
state_dir=/run/state2
run_dir=/run/hvroot2
check "hvrootd starts as root" start_server || exit 0
check "a macvtap network needs its parent" refused '"/parent"' api POST /v1/networks '{"id":"lan","mode":"macvtap"}'
check "one is made" api POST /v1/networks '{"id":"lan","mode":"macvtap","parent":"out0"}'
check "it is ready" until_true '[ "$(api GET /v1/networks/lan | json .status.state)" = ready ]'
guest=tapped
define tapped '{"id":"net0","network":"lan","queues":2}' >/dev/null
check "a VM in it starts" verb tapped start
check "it boots" wait_console tapped GUEST-USERSPACE-OK
check "it has a macvtap" same "$(macvtaps)" 1
check "the guest has its interface" answers '^up-15' \
    'mp virtio_pci virtio_net; ip link set eth0 up && ip addr add 203.0.113.9/24 dev eth0 && echo up-$((3*5))'
check "the guest reaches the outside" answers ' 0% packet loss' 'ping -c 3 -W 20 203.0.113.2'
check "32 MiB come down whole through macvtap" down_whole
send tapped 'httpd -p 80 -h /tmp; echo serves-$((3*5))'
check "the guest serves through macvtap" wait_console tapped '^serves-15'
check "32 MiB go up whole through macvtap" up_whole nsenter -t $outside -n curl -sS --max-time 300 http://203.0.113.9/data
check "its VM keeps the network" refused 'is in use' api DELETE /v1/networks/lan
kill -9 $(worker tapped)
check "its worker was killed" wait_state tapped failed
check "what it left is swept" until_true '[ "$(macvtaps)" = 0 ]' 60
check "the VM starts again" verb tapped start
check "and boots" wait_state tapped running
check "with its macvtap" until_true '[ "$(macvtaps)" = 1 ]'
api POST /v1/vms/tapped:stop >/dev/null
check "it stops" wait_state tapped stopped
check "its macvtap goes with it" same "$(macvtaps)" 0
api DELETE /v1/vms/tapped >/dev/null
check "the network is deleted" until_true 'api DELETE /v1/networks/lan'
