# A Linux guest whose disks come and go while it runs, announced by ACPI.
. /lib.sh

disks=/v1/vms/linux/disks
data='{"id":"data","path":"/run/second.img"}'
attach() { begin POST $disks "${1:-$data}" && ended succeeded; }
detach() { begin DELETE "$disks/${1:-data}" && ended succeeded; }
shown() { # shown ID: the VM has the disk
    api GET "$disks/$1" >/dev/null
}
free() { # free IMAGE: nobody has it open
    for descriptor in /proc/[0-9]*/fd/*; do
        [ "$(readlink "$descriptor" 2>/dev/null)" = "$1" ] && echo "$descriptor has it" && return 1
    done
    return 0
}
sum() { dd if="$1" bs=64k count=64 2>/dev/null | sha256sum | cut -d' ' -f1; }

cp /guest/root.img /run/root.img
truncate -s 48M /run/second.img
truncate -s 16M /run/third.img
check "hvrootd starts on the test host" start_server || exit 0
check "a VM with a root disk is defined" api POST /v1/vms '{"id":"linux","vps":{"count":2},"memory":{"size":"256MiB"},
    "boot":{"kernel":"/guest/vmlinux","initrd":"/guest/initrd","commandLine":"console=ttyS0 quiet panic=-1 root=/dev/vda"},
    "disks":[{"id":"root","path":"/run/root.img"}]}'
verb linux start >/dev/null
check "Linux boots" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
send linux 'lines=$(dmesg | wc -l)'
check "it has no second disk" answers '^none-yet' '[ -e /dev/vdb ] || echo none-yet'

check "a disk is attached to the guest that runs" attach
check "Linux finds it with its size" answers '^size 98304' \
    'until [ -b /dev/vdb ]; do sleep 0.2; done; echo size $(cat /sys/block/vdb/size)'
check "4 MiB are written to it" answers '^written-15' \
    'dd if=/dev/urandom of=/dev/vdb bs=64k count=64 conv=fsync 2>/dev/null; echo written-$((3*5))'
in_image=$(sum /run/second.img)
check "the image has what the guest wrote" answers "^sum $in_image" \
    'echo 3 >/proc/sys/vm/drop_caches; echo sum $(dd if=/dev/vdb bs=64k count=64 2>/dev/null | sha256sum | cut -d" " -f1)'
check "an id that is attached is refused" refused already-exists api POST $disks "$data"
check "an image in use is refused" refused "as its disk 'data'" api POST $disks '{"id":"x","path":"/run/second.img"}'
check "a rate limit changes while the guest runs" same \
    "$(api PATCH $disks/data '{"rateLimit":{"operationsPerSecond":5000}}' | json .rateLimit.operationsPerSecond)" 5000

mark linux
send linux '(while [ -b /dev/vdb ]; do dd if=/dev/zero of=/dev/vdb bs=64k seek=128 count=256 conv=notrunc,fsync 2>/dev/null; done; [ -b /dev/vdb ] || rm -f /dev/vdb; echo dd-ended-$((2*3))) &'
sleep 2
check "it is detached while dd writes to it" detach
check "dd has ended with the disk" wait_console linux 'dd-ended-6'
check "the VM has it no more" refused not-found shown data
check "its image is closed" free /run/second.img
check "the guest's kernel has no complaint" answers '^quiet' 'dmesg | tail -n +$lines | grep -iE "BUG:|hung|call trace" || echo quiet'

check "the same disk is attached again" attach
check "Linux finds it again with what was written" answers "^sum $in_image" \
    'until [ -b /dev/vdb ]; do sleep 0.2; done; echo sum $(dd if=/dev/vdb bs=64k count=64 2>/dev/null | sha256sum | cut -d" " -f1)'
check "another one is attached beside it" attach '{"id":"third","path":"/run/third.img","readOnly":true}'
check "Linux has both" answers '^both' 'until [ -b /dev/vdb ] && [ -b /dev/vdc ]; do sleep 0.2; done; echo both'

begin DELETE $disks/data
check "the same detach twice at once is refused" refused 'operation-conflict\|not-found' api DELETE $disks/data
check "the first one succeeds" ended succeeded
check "the boot disk is not concerned" answers '^alive-8' 'sync; echo alive-$((4*2))'

check "it comes back" attach
mark linux
send linux 'reboot -f'
check "the guest reboots" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
check "the disks that were attached are there at boot" answers '^both' '[ -b /dev/vdb ] && [ -b /dev/vdc ] && echo both'

check "the guest gives a disk back by itself" answers '^gone-10' \
    's=$(readlink -f /sys/block/vdc/device); s=${s%.0/*}; echo 0 >/sys/bus/pci/slots/$((0x${s##*:}))/power; echo gone-$((5*2))'
left() { [ "$(api GET $disks | tr -d ' \n' | grep -o '"id":' | wc -l)" = "$1" ]; }
check "the VM follows" until_true 'left 2'

begin DELETE $disks/data
kill -9 $server_pid
check "the server starts again after a kill -9 during a detach" start_server
check "the detach ends" ended succeeded
check "and the disk is gone" refused not-found shown data
check "its image is closed, too" free /run/second.img
check "the guest has gone on" answers '^alive-9' 'echo alive-$((3*3))'
check "a disk is attached by the next server" attach
check "and taken away by force" begin DELETE "$disks/data?force=true"
check "at once" ended succeeded
check "the guest survives that" answers '^alive-12' 'sleep 1; echo alive-$((3*4))'
# By force, too: Linux 6.1 waits for ever for a virtio device that was taken away when it powers off (docs/status.md).
verb linux stop >/dev/null
check "the VM is stopped" wait_state linux stopped
mark linux
check "a disk of a VM that is off is attached at once" attach
check "and is there when it starts" verb linux start
check "the guest boots with it" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
verb linux stop >/dev/null
