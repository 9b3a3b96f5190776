# A Linux guest whose root is a volume made from an uploaded image: a full copy, then a qcow2 overlay. It reads what
# cloud-init would be given from its seed disk.
. /lib.sh

upload() { # upload FILE IMAGE QUERY: as a user's curl does it
    upload_status=$(curl -sS --max-time 120 -o /tmp/upload.body -w '%{http_code}' -T "$1" \
        "$server/v1/images/$2/content?$3") || return 1
    cat /tmp/upload.body
    [ "$upload_status" = 201 ]
}
volume() { # volume JSON: makes it and waits for the end of the operation
    volume_operation=$(api POST /v1/volumes "$1" | json .id)
    [ -n "$volume_operation" ] || return 1
    until_true '[ "$(api GET "/v1/operations/$volume_operation:wait?timeout=20" | json .status)" != running ]'
    same "$(api GET "/v1/operations/$volume_operation" | json .status)" succeeded ||
        { api GET "/v1/operations/$volume_operation" && return 1; }
}
with_volume() { # with_volume VM VOLUME [MORE]
    api POST /v1/vms "{\"id\":\"$1\",\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1 root=/dev/vda\"},
        \"disks\":[{\"id\":\"root\",\"volume\":\"$2\"}]$3}"
}
digest() { sha256sum "$@" | cut -d' ' -f1; }
volume_field() { api GET "/v1/volumes/$1" | json "$2"; }
seed_has() { # seed_has FILE PATTERN: the seed disk's file in the guest
    answers "$2" "cat /mnt/$1"
}

no_secret() { # the logs are there, and what the guest's owner keeps secret is in none
    grep -q listening /tmp/hvrootd.log && ! grep "$secret" /tmp/hvrootd.log /run/state/vms/*/worker.log
}

secret=seed-$(head -c 8 /dev/urandom | sha256sum | head -c 12)
image_digest=$(digest /guest/root.img)
check "hvrootd starts on the test host" start_server || exit 0
check "an image with another checksum is refused" refused 'SHA-256' \
    upload /guest/root.img bad "sha256=$(digest /guest/data.img)"
check "an image that is no qcow2 is refused as one" refused 'said to be qcow2' upload /guest/root.img bad format=qcow2
check "nothing of them is left" same "$(ls /run/state/images | wc -l)" 0
check "the root file system is uploaded" upload /guest/root.img root "format=raw&sha256=$image_digest"
check "a full copy is made of it, larger" \
    volume '{"id":"full","image":"root","method":"fullCopy","size":"64MiB"}'
check "it has the size" same "$(volume_field full .bytes)" 67108864

cloud_init=',"cloudInit":{"userData":"#cloud-config\npassword: '$secret'\n","networkConfig":"version: 2\n"}'
guest=linux
check "a VM with the volume and a seed is defined" with_volume linux full "$cloud_init"
check "another VM can't have the volume" refused "VM 'linux'" with_volume thief full
check "it starts" verb linux start
check "Linux boots from the volume" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
check "the root disk has the volume's size" answers '^size 131072$' 'echo size $(cat /sys/block/vda/size)'
# ECMA-119, 8.4.7: the volume's name is at byte 40 of sector 16.
check "the last disk is the seed, by its label" answers '^label CIDATA$' \
    'echo label $(dd if=/dev/vdb bs=1 skip=32808 count=6 2>/dev/null)'
check "the seed is read-only" answers '^ro 1$' 'echo ro $(cat /sys/block/vdb/ro)'
check "the guest mounts it" answers '^mounted' 'mount -t iso9660 -o ro /dev/vdb /mnt && echo mounted'
check "user-data is what was given" seed_has user-data "^password: $secret\$"
check "meta-data names the instance" seed_has meta-data '^instance-id: linux-'
check "meta-data names the host" seed_has meta-data '^local-hostname: linux$'
check "network-config is there" seed_has network-config '^version: 2$'
check "the volume can't be deleted" refused "'linux'" api DELETE /v1/volumes/full
check "the volume grows under the guest" api PATCH /v1/volumes/full '{"size":"96MiB"}'
check "the guest sees it" answers '^size 196608$' \
    'until [ $(cat /sys/block/vda/size) = 196608 ]; do sleep 1; done; echo size $(cat /sys/block/vda/size)'
send linux 'umount /mnt; dd if=/dev/urandom of=/file bs=64k count=32 2>/dev/null; sha256sum /file >/file.sum; sync; echo written-$((3*5))'
check "2 MiB are written and synced" wait_console linux '^written-15'
send linux 'poweroff -f'
check "the guest powers off" wait_state linux stopped
mark linux
check "it starts again" verb linux start
check "it boots from what it wrote" wait_console linux 'GUEST-ROOT-OK /dev/vda ext4'
check "what was written is there" answers '^/file: OK' 'sha256sum -c /file.sum'
verb linux stop >/dev/null
check "the VM is gone" wait_state linux stopped
api DELETE /v1/vms/linux >/dev/null
check "its seed is gone" until_true '[ ! -e /run/state/vms/linux ]' 20
check "its volume is free" api DELETE /v1/volumes/full

guest=over
check "an overlay is made of the image" volume '{"id":"over","image":"root","method":"overlay","size":"64MiB"}'
check "it is qcow2" same "$(volume_field over .format)" qcow2
check "a VM with it is defined" with_volume over over "$cloud_init"
check "a VM with the overlay starts" verb over start
check "Linux boots from the overlay" wait_console over 'GUEST-ROOT-OK /dev/vda ext4'
check "the overlay has its size" answers '^size 131072$' 'echo size $(cat /sys/block/vda/size)'
check "the guest of the overlay mounts its seed" answers '^mounted' \
    'mount -t iso9660 -o ro /dev/vdb /mnt && echo mounted'
check "its meta-data is its own" seed_has meta-data '^local-hostname: over$'
send over 'umount /mnt; dd if=/dev/urandom of=/file bs=64k count=32 2>/dev/null; sha256sum /file >/file.sum; sync; echo written-$((3*5))'
check "2 MiB are written to the overlay" wait_console over '^written-15'
mark over
send over 'reboot -f'
check "the guest boots again from the overlay" wait_console over 'GUEST-ROOT-OK /dev/vda ext4'
check "what was written to the overlay is there" answers '^/file: OK' 'sha256sum -c /file.sum'
check "the image can't be deleted under it" refused "'over'" api DELETE /v1/images/root
send over 'sync; poweroff -f'
check "the guest of the overlay powers off" wait_state over stopped
check "the image is as it was uploaded" same "$(digest /run/state/images/root-*.raw)" "$image_digest"
check "the secret is in no log" no_secret
