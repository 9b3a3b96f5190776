# A Linux guest with disks: its root is ext4 on virtio-blk, and a second disk is read-only.
. /lib.sh

at_least() { # at_least NUMBER METRIC LABELS
    at_least_found=$(metric "$2" "$3")
    [ "${at_least_found:-0}" -ge "$1" ] && return 0
    echo "$2{$3} is '$at_least_found', less than $1"
    return 1
}
with_disks() { # with_disks VM COUNT DISKS
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":$2},\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1 root=/dev/vda\"},\"disks\":$3}"
}

cp /guest/root.img /run/root.img
cp /guest/data.img /run/data.img
check "hvrootd starts on the test host" start_server || exit 0
check "a disk that is not there is refused" refused 'disks/0/path' \
    with_disks gone 1 '[{"id":"root","path":"/run/none.img"}]'
check "a VM with two disks is defined" with_disks linux 2 '[{"id":"root","path":"/run/root.img","serial":"root-0001"},
    {"id":"data","path":"/run/data.img","readOnly":true}]'
check "it starts" verb linux start
check "Linux boots from an ext4 root on virtio-blk" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
check "the disk has its serial number" answers '^serial root-0001$' 'echo serial $(cat /sys/block/vda/serial)'
check "the disk has a queue for each processor" answers '^queues 2$' 'echo queues $(ls /sys/block/vda/mq | wc -l)'

send linux 'dd if=/dev/urandom of=/file bs=64k count=128 2>/dev/null; sha256sum /file >/file.sum; sync; echo written-$((3*5))'
check "8 MiB are written and synced" wait_console linux '^written-15'
mark linux
send linux 'reboot -f'
check "the guest boots again from the disk" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
check "what was written is there after the reboot" answers '^/file: OK' 'sha256sum -c /file.sum'
check "flushes have reached the image" at_least 1 hvroot_disk_requests_total 'vm="linux",disk="root",operation="flush"'
check "the bytes written are counted" at_least 8388608 hvroot_disk_bytes_total 'vm="linux",disk="root",operation="write"'

check "the second disk is read-only to Linux" answers '^ro 1$' 'echo ro $(cat /sys/block/vdb/ro)'
check "its sectors are where they belong" answers '^got sector 777 *$' \
    'echo got $(dd if=/dev/vdb bs=512 skip=777 count=1 2>/dev/null)'
check "a write to it is refused" answers '^refused' 'echo x | dd of=/dev/vdb bs=512 conv=notrunc || echo refused'
check "its image has not changed" cmp /guest/data.img /run/data.img

truncate -s +8M /run/root.img
sectors=$(($(stat -c %s /run/root.img) / 512))
check "a disk grows with its image while the guest runs" answers "^size $sectors\$" \
    "until [ \$(cat /sys/block/vda/size) = $sectors ]; do sleep 1; done; echo size \$(cat /sys/block/vda/size)"

with_disks thief 1 '[{"id":"root","path":"/run/../run/root.img"}]' >/dev/null
check "a second VM on the same image is refused, with who has it" refused "VM 'linux'" verb thief start
check "a disk that is only read is shared" with_disks reader 1 '[{"id":"data","path":"/run/data.img","readOnly":true}]'
check "a VM that shares it starts" verb reader start
check "a VM that shares it runs" wait_state reader running
verb reader stop >/dev/null

send linux 'sync; poweroff -f'
check "the guest powers off" wait_state linux stopped
check "the image is free again" verb thief start
check "another guest finds what the first one wrote" wait_console thief 'GUEST-ROOT-OK /dev/vda ext4'
mark thief
send thief 'sha256sum -c /file.sum'
check "with the same checksum" wait_console thief '^/file: OK'
verb thief stop >/dev/null
