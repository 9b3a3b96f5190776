# A guest's memory grows and shrinks while it runs.
. /lib.sh

total() { # MiB that the guest sees
    mark linux
    send linux 'echo total-$(($(sed -n "s/^MemTotal: *\([0-9]*\).*/\1/p" /proc/meminfo) / 1024))-MiB'
    wait_console linux '^total-[0-9]*-MiB' >/dev/null || return 1
    since_mark linux | sed -n 's/^total-\([0-9]*\)-MiB.*/\1/p' | tail -n 1
}
grew_by() { # BEFORE MIB: within what the kernel takes for itself
    grew=$(($(total) - $1))
    [ $grew -ge $(($2 * 9 / 10)) ] && [ $grew -le "$2" ] && return 0
    echo "grew by $grew MiB, not $2"
    return 1
}
resize() { api PATCH /v1/vms/linux "{\"memory\":{\"size\":\"$1\"}}"; }
is_refused() { ! resize "$1" && same "$api_status" 400; }
ask_and_kill() { resize 640MiB && kill -9 $server_pid; }
mapped() { metric hvroot_vm_memory_mapped_bytes 'vm="linux"'; }
mapped_is() { same "$(mapped)" $(($1 * 1048576)); }

check "hvrootd starts on the test host" start_server || exit 0
linux linux 1 /guest/vmlinux >/dev/null
check "its memory can grow to 640 MiB" api PATCH /v1/vms/linux '{"memory":{"size":"256MiB","maximum":"640MiB"},
    "boot":{"commandLine":"console=ttyS0 quiet panic=-1 memhp_default_state=online_movable"}}'
check "it starts" verb linux start
check "it boots" wait_console linux 'GUEST-USERSPACE-OK'
before=$(total)
check "it has what it booted with" [ "$before" -gt 150 -a "$before" -le 256 ]
mark linux
send linux 'mp virtio_pci virtio_mem; echo driver-is-there'
check "it has the driver" wait_console linux '^driver-is-there'

check "a size that is no step is refused" is_refused 300MiB
check "256 MiB more are asked for" resize 512MiB
check "they are mapped" until_true 'mapped_is 512'
check "Linux has them" grew_by "$before" 256
mark linux
send linux 'mount -t tmpfs -o size=400m t /mnt; dd if=/dev/zero of=/mnt/f bs=1M count=300 2>/dev/null; echo filled-$(stat -c %s /mnt/f)'
check "more than it booted with is used" wait_console linux '^filled-314572800'
send linux 'rm /mnt/f; sync'
check "the server dies as soon as it has taken a wish for 128 MiB more" ask_and_kill
check "another server takes over" start_server
check "the guest gets them" until_true 'mapped_is 640'
check "the memory is taken back" resize 256MiB
check "it is no longer mapped" until_true 'mapped_is 256'
check "Linux gave it back" grew_by "$before" 0
check "the guest has lived through it" same "$(field linux .state)" running
check "more again" resize 384MiB
check "it is mapped" until_true 'mapped_is 384'
mark linux
send linux 'reboot -f'
check "after a reboot from inside" wait_console linux 'GUEST-USERSPACE-OK'
check "it has what it booted with, and the wish stays" until_true 'mapped_is 256'
send linux 'mp virtio_pci virtio_mem'
check "the new driver comes to it" until_true 'mapped_is 384'
check "it is stopped" verb linux stop
check "it is off" wait_state linux stopped
check "it starts with all of it" verb linux start
mark linux
check "from the beginning" wait_console linux 'GUEST-USERSPACE-OK'
check "as its own memory" mapped_is 384
