# Linux's drivers of virtio-balloon, virtio-console and virtio-vsock with every feature, and with each one withheld.
. /lib.sh
. /jobs/lib-features.sh

# A feature of each device is withheld in each life of the VM.
lives='none,none,none
    VIRTIO_F_INDIRECT_DESC,VIRTIO_F_INDIRECT_DESC,VIRTIO_F_INDIRECT_DESC
    VIRTIO_F_EVENT_IDX,VIRTIO_F_EVENT_IDX,VIRTIO_F_EVENT_IDX
    VIRTIO_F_RING_PACKED,VIRTIO_F_RING_PACKED,VIRTIO_F_RING_PACKED
    VIRTIO_BALLOON_F_STATS_VQ,VIRTIO_CONSOLE_F_SIZE,VIRTIO_VSOCK_F_STREAM
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,VIRTIO_CONSOLE_F_EMERG_WRITE,none
    VIRTIO_BALLOON_F_PAGE_REPORTING,none,none'

withheld() { # withheld DEVICE NAME: a member of withheldFeatures
    [ "$2" = none ] || echo "\"$1\":[\"$2\"]"
}
patch() { # patch BALLOON CONSOLE VSOCK
    members=$(for pair in "balloon $1" "console $2" "vsock $3"; do withheld $pair; done | tr '\n' ',')
    api PATCH /v1/vms/linux "{\"withheldFeatures\":{${members%,}}}"
}
# Which device of the guest is of which kind: its driver's one.
sysfs() { echo "\$(echo /sys/bus/virtio/drivers/$1/virtio*)"; }
has() { # has DRIVER NAME VALUE
    guest linux "^feature-$3-" "echo feature-\$(cut -c$(($(bit "$2") + 1)) $(sysfs "$1")/features)-"
}
withholds() { # withholds DRIVER NAME
    [ "$2" = none ] || has "$1" "$2" 0
}
inflated_is() { same "$(field linux .memory.balloon.inflated)" $(($1 * 1048576)); }
target() { api PATCH /v1/vms/linux "{\"memory\":{\"balloon\":{\"target\":$1}}}"; }
breathes() { # the balloon fills and becomes empty
    target '"160MiB"' && until_true 'inflated_is 32' && target null && until_true 'inflated_is 0'
}
console_speaks() { guest linux '^on-/dev/hvc0' 'echo on-$(tty)'; }
vsock_speaks() { # half a MiB to the host and its digest back
    guest linux '^host-has-the-same' 'dd if=/dev/urandom of=/tmp/f bs=64k count=8 2>/dev/null; s=$(sha256sum </tmp/f)
        r=$(socat -t 30 - VSOCK-CONNECT:2:1234 </tmp/f); [ "$s" = "$r" ] && echo host-has-the-same'
}

check "hvrootd starts on the test host" start_server || exit 0
check "a VM has the devices" define linux 1 \
    '"vsock":{"cid":42},"console":{"type":"virtio","columns":132,"rows":43}'
api PATCH /v1/vms/linux '{"memory":{"balloon":{"statisticsInterval":1}}}' >/dev/null
for life in $lives; do
    balloon=${life%%,*} vsock=${life##*,} console=${life#*,}
    console=${console%,*}
    check "without $balloon, $console, $vsock" patch "$balloon" "$console" "$vsock"
    mark linux 2>/dev/null
    verb linux start >/dev/null
    check "it boots" wait_console linux GUEST-USERSPACE-OK
    # Input goes to the virtio console from the moment on at which it has its driver: a shell on it does all that follows.
    guest linux 'drivers-6' 'mp virtio_pci virtio_balloon vmw_vsock_virtio_transport virtio_console
        setsid sh -c "exec sh </dev/hvc0 >/dev/hvc0 2>&1" & sleep 1; echo drivers-$((2*3))' >/dev/null
    check "the balloon works without $balloon" breathes
    check "it is without it" withholds virtio_balloon "$balloon"
    check "the console works without $console" console_speaks
    check "it is without it" withholds virtio_console "$console"
    socket=$(field linux .vsock.socket)
    socat "UNIX-LISTEN:${socket}_1234,fork" EXEC:sha256sum &
    listener=$!
    check "vsock works without $vsock" vsock_speaks
    kill $listener
    # Linux 6.1 does not ask for VIRTIO_VSOCK_F_STREAM, whoever offers it.
    check "it is without it" withholds vmw_vsock_virtio_transport "$vsock"
    verb linux stop >/dev/null
    check "it stops" wait_state linux stopped
done
