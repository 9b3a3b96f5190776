# Linux's driver of virtio-blk with every feature, and with each one withheld.
. /lib.sh
. /jobs/lib-features.sh

block="none $common VIRTIO_BLK_F_SIZE_MAX VIRTIO_BLK_F_SEG_MAX VIRTIO_BLK_F_BLK_SIZE VIRTIO_BLK_F_FLUSH VIRTIO_BLK_F_TOPOLOGY
    VIRTIO_BLK_F_CONFIG_WCE VIRTIO_BLK_F_MQ VIRTIO_BLK_F_DISCARD VIRTIO_BLK_F_WRITE_ZEROES"

# Written in the guest, read back past its cache; discarded or zeroed where it can be.
cat >/tmp/block.sh <<'END'
d=/dev/$1
dd if=/dev/urandom of=/tmp/x bs=64k count=32 2>/dev/null
dd if=/tmp/x of=$d bs=64k oflag=direct 2>/dev/null; dd if=/tmp/x of=$d bs=64k seek=32 conv=fsync 2>/dev/null
for skip in 0 32; do dd if=$d bs=64k skip=$skip count=32 iflag=direct 2>/dev/null | cmp - /tmp/x && echo same-$skip-$1; done
blkdiscard $d 2>/dev/null && echo discarded-$1
fstrim -h >/dev/null 2>&1; echo checked-$1
END
one_disk() { # one_disk DEVICE NAME
    [ "$2" = none ] || negotiated disks "/sys/block/$1" "$2" 0 || return 1
    guest disks "^checked-$1" "sh /tmp/block.sh $1" || return 1
    since_mark disks >/tmp/said
    grep -q "^same-0-$1" /tmp/said && grep -q "^same-32-$1" /tmp/said && return 0
    cat /tmp/said
    return 1
}

check "hvrootd starts on the test host" start_server || exit 0
check "a feature that is not known is refused" until_true \
    '! define wrong 1 "\"withheldFeatures\":{\"rng\":[\"VIRTIO_F_VERSION_1\"]}" 2>/dev/null &&
        grep -q withheldFeatures/rng/0 /tmp/api.body' 10

number=0 list='' withheld=''
for name in $block; do
    truncate -s 4M "/run/disk$number"
    list="$list,{\"id\":\"d$number\",\"path\":\"/run/disk$number\"}"
    [ "$name" = none ] || withheld="$withheld,\"disk/d$number\":[\"$name\"]"
    number=$((number + 1))
done
check "a VM with a disk for each feature" define disks 2 "\"disks\":[${list#,}],\"withheldFeatures\":{${withheld#,}}"
check "it starts" verb disks start
check "it boots" wait_console disks GUEST-USERSPACE-OK
guest disks '^drivers' 'mp virtio_pci virtio_blk; echo drivers' >/dev/null
guest disks '^script' "cat >/tmp/block.sh <<'END'
$(cat /tmp/block.sh)
END
echo script" >/dev/null
number=0
for name in $block; do
    device=vd$(echo abcdefghijklmnop | cut -c$((number + 1)))
    check "virtio-blk without $name" one_disk "$device" "$name"
    number=$((number + 1))
done
for name in $block; do
    [ "$name" = none ] || check "the first disk has $name" negotiated disks /sys/block/vda "$name" 1
done
verb disks stop >/dev/null
check "it stops" wait_state disks stopped
