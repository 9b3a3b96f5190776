# A Debian with systemd and cloud-init itself: its image imported, a larger volume on top of it, a network with DHCP, a seed.
. /lib.sh
limit=600 # systemd and Python in an emulation of an emulation

made() { # made PATH JSON: what an operation makes, when it has ended
    made_operation=$(api POST "$1" "$2" | json .id)
    [ -n "$made_operation" ] || return 1
    until_true '[ "$(api GET "/v1/operations/$made_operation:wait?timeout=20" | json .status)" != running ]'
    same "$(api GET "/v1/operations/$made_operation" | json .status)" succeeded
}
address() { api GET /v1/vms/debian | json .networkInterfaces.0.addresses.0; }
has_address() { address=$(address) && [ -n "$address" ]; }
answers_ssh() { nc -w 20 "$address" 22 </dev/null | grep -a '^SSH-2.0-OpenSSH'; }

mp tun bridge nf_tables nft_chain_nat nft_masq nft_ct nf_conntrack nft_limit nft_meta_bridge virtio_pci virtio_blk
echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>/etc/passwd
until [ -b /dev/vda ]; do sleep 0.2; done
mkdir -p /images && mount -t ext4 -o ro /dev/vda /images
digest=$(sha256sum </images/debian.qcow2 | cut -d' ' -f1)

check "hvrootd starts on the test host" start_server || exit 0
check "the image is imported" made /v1/images \
    "{\"id\":\"debian\",\"path\":\"/images/debian.qcow2\",\"format\":\"qcow2\",\"sha256\":\"$digest\"}"
check "a volume of 2 GiB on top of it" made /v1/volumes '{"id":"root","image":"debian","method":"overlay","size":"2GiB"}'
check "a network with DHCP" api POST /v1/networks '{"id":"lab","mode":"nat","subnet":"10.9.0.0/24"}'
check "a VM with both and a seed" api POST /v1/vms '{"id":"debian","vps":{"count":2},"memory":{"size":"512MiB"},
    "boot":{"kernel":"/guest/vmlinux","initrd":"/guest/initrd",
        "commandLine":"console=ttyS0 panic=-1 root=/dev/vda1 fstype=ext4"},
    "disks":[{"id":"root","volume":"root"}],"networkInterfaces":[{"id":"net0","network":"lab"}],
    "cloudInit":{"userData":"#cloud-config\nssh_genkeytypes: [ed25519]\nusers:\n- name: fleet\n  ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake fleet]\nwrite_files:\n- path: /etc/written\n  content: by-cloud-init\nruncmd:\n- echo SEEN $(hostname) $(cat /etc/written) $(id -un fleet) $(df -m / | tail -n 1 | awk \"{print \\$2}\") MiB >/dev/ttyS0\n"}}'
check "it starts" verb debian start || exit 1
check "systemd is there" wait_console debian 'systemd\[1\]'
check "the guest gets its address by DHCP" until_true has_address
check "cloud-init finds its seed" wait_console debian 'DataSourceNoCloud'
check "it did what the seed asks for" wait_console debian '^SEEN debian by-cloud-init fleet'
check "the root file system has grown with its volume" \
    test "$(since_mark debian | sed -n 's/^SEEN .* \([0-9]*\) MiB.*/\1/p')" -gt 1800
check "the guest serves ssh" until_true answers_ssh 120
verb debian shutdown >/dev/null
check "the power button ends it" wait_state debian stopped
