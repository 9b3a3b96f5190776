# vsock by the host's kernel (vhost-vsock): programs of the host reach the guest's by AF_VSOCK itself, and the guest theirs.
. /lib.sh

says() { # says COMMAND PATTERN: the guest's answer
    mark linux
    send linux "$1"
    wait_console linux "$2"
}
define() { # define VM CID
    api POST /v1/vms "{\"id\":\"$1\",\"memory\":{\"size\":\"256MiB\",\"maximum\":\"512MiB\"},
        \"vsock\":{\"cid\":$2,\"backend\":\"vhost\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",\"initrd\":\"/guest/initrd\",
        \"commandLine\":\"console=ttyS0 quiet panic=-1 memhp_default_state=online_kernel\"}}"
}
guest_has() { # guest_has: the guest says the checksum of what it gets
    same "$(socat -t 60 - VSOCK-CONNECT:42:99 </tmp/data)" "$sum"
}
worker() { field linux .processId; }
failure() { # failure PATTERN: why the VM is not running
    api GET /v1/vms/linux >/tmp/vm && grep -q -e "$1" /tmp/vm && return 0
    cat /tmp/vm
    return 1
}

check "hvrootd starts on the test host" start_server || exit 0
check "a VM with vhost-vsock is defined" define linux 42
verb linux start >/dev/null
check "without the kernel's module it does not start" wait_state linux failed
check "and says what is missing" failure 'modprobe vhost_vsock'
mp vhost_vsock
check "it starts" verb linux start
check "it boots" wait_console linux GUEST-USERSPACE-OK
check "the kernel serves it" eval 'ls -l /proc/$(worker)/fd | grep -q vhost-vsock'
check "the guest has vsock" says 'mp virtio_pci vmw_vsock_virtio_transport; ls -d /dev/vsock' '^/dev/vsock'
dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
sum=$(sha256sum </tmp/data)
send linux 'socat VSOCK-LISTEN:99,fork EXEC:sha256sum & echo listens-$((2*3))'
check "the guest listens" wait_console linux 'listens-6'
check "a program of the host reaches it by AF_VSOCK, and 4 MiB come there whole" until_true guest_has 100
socat VSOCK-LISTEN:1234,fork EXEC:sha256sum &
listener=$!
check "a program of the guest reaches the host's" says 'dd if=/dev/urandom of=/tmp/f bs=1M count=2 2>/dev/null
    s=$(sha256sum </tmp/f); r=$(socat -t 30 - VSOCK-CONNECT:2:1234 </tmp/f); [ "$s" = "$r" ] && echo the-same-$((2*3))' \
    'the-same-6'
kill $listener
check "nobody listens on another port" eval '! socat -u OPEN:/dev/null VSOCK-CONNECT:42:98'
# What the kernel was told of guest memory follows it.
check "memory grows" api PATCH /v1/vms/linux '{"memory":{"size":"384MiB"}}'
check "and vsock goes on" guest_has
first=$(worker)
kill -9 $first
check "its worker is killed" wait_state linux failed
check "it starts again with the same identifier" verb linux start
mark linux
check "and boots again" until_true '[ "$(state linux)" = running ] && [ "$(worker)" != $first ]'
check "the kernel serves it again" until_true 'ls -l /proc/$(worker)/fd | grep -q vhost-vsock'
check "Linux is there again" until_true 'pull_console linux && [ $(grep -c GUEST-USERSPACE-OK /tmp/console.linux) -ge 2 ]'
send linux 'mp virtio_pci vmw_vsock_virtio_transport; socat VSOCK-LISTEN:99,fork EXEC:sha256sum & echo listens-again-$((2*3))'
check "the guest listens again" wait_console linux 'listens-again-6'
check "and is reached" until_true guest_has 100
