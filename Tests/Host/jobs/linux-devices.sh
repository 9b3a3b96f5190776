# The devices that a guest has once: a balloon, a watchdog, vsock and a virtio console, each by Linux's own driver.
. /lib.sh

rss() { # MiB of the process that holds the guest
    awk '/^VmRSS:/ { print int($2 / 1024) }' "/proc/$(field linux .processId)/status"
}
rss_is_below() { [ "$(rss)" -lt "$1" ]; }
balloon() { field linux ".memory.balloon.$1"; }
inflated_is() { same "$(balloon inflated)" $(($1 * 1048576)); }
target() { api PATCH /v1/vms/linux "{\"memory\":{\"balloon\":{\"target\":$1}}}"; }
is_refused() { # STATUS JSON
    ! api PATCH /v1/vms/linux "$2" && same "$api_status" "$1"
}
fill_and_free() { # MIB: the guest uses so much memory for a moment
    mark linux
    send linux "mount -t tmpfs -o size=200m t /mnt; dd if=/dev/zero of=/mnt/f bs=1M count=$1 2>/dev/null; stat -c filled-%s /mnt/f; rm /mnt/f; umount /mnt"
    wait_console linux "^filled-$(($1 * 1048576))"
}
says() { # COMMAND PATTERN: what a command in the guest prints
    mark linux
    send linux "$1"
    wait_console linux "$2"
}
events() { curl -sS -f --max-time 30 -H 'Accept: application/json' "$server/v1/events?after=0&limit=1000"; }
watchdog_events() { events | grep -o '"vm.watchdog-expired"' | wc -l; }

check "hvrootd starts on the test host" start_server || exit 0
check "a VM has all four devices" api POST /v1/vms '{"id":"linux","memory":{"size":"256MiB","balloon":{"statisticsInterval":1,
    "freePageReporting":false,"deflateOnOOM":false}},"watchdog":{"action":"reset"},"vsock":{"cid":42},
    "console":{"type":"virtio","columns":132,"rows":43},"boot":{"kernel":"/guest/vmlinux","initrd":"/guest/initrd",
    "commandLine":"console=ttyS0 quiet panic=-1"}}'
check "another VM can't have its context identifier" eval '! api POST /v1/vms "{\"id\":\"other\",\"vsock\":{\"cid\":42},
    \"boot\":{\"kernel\":\"builtin:demo\"}}" && same $api_status 409'
check "it starts" verb linux start
check "it boots" wait_console linux 'GUEST-USERSPACE-OK'

# The console: a shell on it, to which input goes from the moment on at which the driver is there.
mark linux
send linux 'mp virtio_pci virtio_console; setsid sh -c "exec sh </dev/hvc0 >/dev/hvc0 2>&1" & sleep 1; echo shell-is-there-$((40 + 2))'
check "the virtio console has a driver and a shell" wait_console linux 'shell-is-there-42'
check "input goes to hvc0" says 'echo on-$(tty)' '^on-/dev/hvc0'
check "it has the size that was asked for" says 'echo size-$(stty size)' '^size-43 132'
check "what is written to the serial port is in the same log" says 'echo from-serial >/dev/ttyS0' '^from-serial'

# The balloon.
check "memory that was used once stays with the guest" fill_and_free 64
before=$(rss)
check "that is much" [ "$before" -gt 100 ]
check "the balloon has a driver" says 'mp virtio_balloon; echo loaded-$(ls /sys/bus/virtio/drivers/virtio_balloon | grep -c virtio)' '^loaded-1'
check "the guest tells of its memory" until_true '[ "$(balloon statistics.totalBytes)" -gt 180000000 ]' 30
check "the metrics have it" [ "$(metric hvroot_guest_memory_total_bytes 'vm="linux"')" -gt 180000000 ]
check "it has given nothing back yet" same "$(balloon returned)" 0
check "a target above its memory is refused" is_refused 400 '{"memory":{"balloon":{"target":"512MiB"}}}'
check "whether it reports free pages can't change now" is_refused 409 '{"memory":{"balloon":{"freePageReporting":true}}}'
check "it is to make do with 160 MiB" target '"160MiB"'
check "the balloon has the other 96 MiB" until_true 'inflated_is 96'
if [ "$hypervisor" = mshv ]; then
    check "they stay pinned, as all guest memory there" same "$(balloon returned)" 0
else
    check "they are the host's again" until_true "rss_is_below $((before - 40))" 30
fi
echo "resident before and after: $before MiB, $(rss) MiB"
check "the guest knows that it has less" until_true '[ "$(balloon statistics.totalBytes)" -lt 150000000 ]' 30
check "it gets all back" target null
check "the balloon is empty" until_true 'inflated_is 0'
check "the guest uses what it got back" fill_and_free 64

# vsock.
socket=$(field linux .vsock.socket)
check "the VM says where its socket is" [ -S "$socket" ]
dd if=/dev/urandom of=/tmp/data bs=1M count=2 2>/dev/null
sum=$(sha256sum </tmp/data | cut -c 1-64)
check "vsock has a driver" says 'mp vmw_vsock_virtio_transport; ls -d /dev/vsock' '^/dev/vsock'
socat "UNIX-LISTEN:${socket}_1234,fork" EXEC:sha256sum &
listener=$!
mark linux
send linux 'dd if=/dev/urandom of=/tmp/f bs=1M count=2 2>/dev/null; s=$(sha256sum </tmp/f); r=$(socat -t 30 - VSOCK-CONNECT:2:1234 </tmp/f); [ "$s" = "$r" ] && echo host-has-the-same || echo "no: $r"'
check "what a guest sends to the host comes there whole, and the answer comes back" wait_console linux '^host-has-the-same'
kill $listener
check "a port at which nobody listens refuses" says 'socat - VSOCK-CONNECT:2:99 </dev/null || echo refused-$?' '^refused-1'
mark linux
send linux 'socat VSOCK-LISTEN:5000,fork EXEC:sha256sum & sleep 1; echo listens'
wait_console linux '^listens' >/dev/null
(printf 'CONNECT 5000\n' && cat /tmp/data) | socat -t 30 - "UNIX-CONNECT:$socket" >/tmp/answer
check "the guest takes a connection of the host" grep -q '^OK [0-9]*$' /tmp/answer
check "what the host sends comes there whole" grep -q "^$sum" /tmp/answer
printf 'CONNECT 5001\n' | socat -t 30 - "UNIX-CONNECT:$socket" >/tmp/answer
check "where nobody listens in the guest the connection ends" [ ! -s /tmp/answer ]

# The watchdog.
check "the watchdog has a driver" says 'mp wdat_wdt; ls -d /dev/watchdog0' '^/dev/watchdog0'
send linux 'watchdog -T 4 -t 1 /dev/watchdog0'
sleep 6
check "a guest that feeds it lives" same "$(watchdog_events)" 0
mark linux
send linux 'killall -9 watchdog'
check "one that no longer does is reset" wait_console linux 'GUEST-USERSPACE-OK'
check "an event tells of it" same "$(watchdog_events)" 1
check "its VM runs" same "$(state linux)" running
check "the guest knows why it began anew" says 'mp wdat_wdt; echo status-$(cat /sys/class/watchdog/watchdog0/bootstatus)' '^status-32'

# Free pages, and what else a watchdog does.
check "it is stopped" verb linux stop
check "it is off" wait_state linux stopped
check "its socket is gone" [ ! -e "$socket" ]
check "it reports free pages from now on, and its watchdog is its end" api PATCH /v1/vms/linux \
    '{"memory":{"balloon":{"freePageReporting":true}},"watchdog":{"action":"crash"}}'
mark linux
check "it starts again" verb linux start
check "it boots again" wait_console linux 'GUEST-USERSPACE-OK'
check "it uses memory" fill_and_free 64
before=$(rss)
check "that is with the guest" [ "$before" -gt 100 ]
send linux 'mp virtio_pci virtio_balloon'
if [ "$hypervisor" = mshv ]; then
    check "pinned memory is not asked for" until_true '[ "$(metric hvroot_balloon_returned_bytes_total "vm=\"linux\"")" = 0 ]' 10
else
    check "what it has no use for becomes the host's without a target" until_true "rss_is_below $((before - 40))" 60
    check "what came back is told" [ "$(metric hvroot_balloon_returned_bytes_total 'vm="linux"')" -gt 40000000 ]
fi
echo "resident before and after: $before MiB, $(rss) MiB"
check "the balloon has nothing" inflated_is 0
check "the guest goes on with it" fill_and_free 64
send linux 'mp wdat_wdt; watchdog -T 2 -t 1 /dev/watchdog0; killall -9 watchdog'
check "the watchdog ends it" wait_state linux failed
check "the reason is the watchdog" same "$(field linux .stateReason.code)" watchdog-expired
