# Linux's drivers of virtio-net and virtio-rng with every feature, and with each one withheld.
. /lib.sh
. /jobs/lib-features.sh

# USO is not among them: the test host's Linux does not offer it.
network="none $common VIRTIO_NET_F_CSUM VIRTIO_NET_F_GUEST_CSUM VIRTIO_NET_F_CTRL_GUEST_OFFLOADS VIRTIO_NET_F_MTU
    VIRTIO_NET_F_MAC VIRTIO_NET_F_GUEST_TSO4 VIRTIO_NET_F_GUEST_TSO6 VIRTIO_NET_F_HOST_TSO4 VIRTIO_NET_F_HOST_TSO6
    VIRTIO_NET_F_MRG_RXBUF VIRTIO_NET_F_STATUS VIRTIO_NET_F_CTRL_VQ VIRTIO_NET_F_MQ"

# A ping, and 2 MiB each way with checksums.
one_interface() { # one_interface VM INDEX ETH NAME
    subnet=10.9.$2
    [ "$4" = none ] || negotiated "$1" "/sys/class/net/$3" "$4" 0 || return 1
    guest "$1" ' 0% packet loss' "ip link set $3 up; ip addr add $subnet.2/24 dev $3; ping -c 2 -W 20 $subnet.1" || return 1
    nc -l -p 8000 </run/data >/dev/null &
    listener=$!
    guest "$1" "^$sum" "[ -p /tmp/open ] || mkfifo /tmp/open; nc $subnet.1 8000 <>/tmp/open >/tmp/data; sha256sum </tmp/data"
    came=$?
    kill $listener 2>/dev/null
    [ $came = 0 ] || return 1
    same "$(curl -sS --max-time 100 "http://$subnet.2/data" | sha256sum | cut -d' ' -f1)" "$sum"
}
interfaces() { # interfaces VM FIRST NAME...: a VM with an interface for each, in networks of their own
    vm=$1 index=$2 list='' withheld=''
    shift 2
    for name; do
        spoofing=false
        # Without it the guest makes up an address, which is not the one that it was given.
        [ "$name" = VIRTIO_NET_F_MAC ] && spoofing=true
        list="$list,{\"id\":\"n$index\",\"tap\":{\"name\":\"hvf$index\"},\"queues\":2,\"allowSpoofing\":$spoofing}"
        [ "$name" = none ] || withheld="$withheld,\"networkInterface/n$index\":[\"$name\"]"
        index=$((index + 1))
    done
    # The device that every VM has goes without one as well.
    [ "$rng" = none ] || withheld="$withheld,\"rng\":[\"$rng\"]"
    define "$vm" 2 "\"networkInterfaces\":[${list#,}],\"withheldFeatures\":{${withheld#,}}"
}
addresses() { # addresses FIRST COUNT: of the host's ends, the taps, which are there while the VM runs
    for place in $(seq "$1" $(($1 + $2 - 1))); do
        ip addr add "10.9.$place.1/24" dev "hvf$place" && ip link set "hvf$place" up || return 1
    done
}
has_entropy() { guest "$1" '^random-64' 'echo random-$(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)'; }
test_interfaces() { # VM FIRST NAME...
    vm=$1 index=$2 number=0
    shift 2
    check "$vm starts" verb "$vm" start
    check "its taps are there" until_true "[ -d /sys/class/net/hvf$((index + $# - 1)) ]" 30
    addresses $index $#
    check "$vm boots" wait_console "$vm" GUEST-USERSPACE-OK
    guest "$vm" '^drivers' 'mp virtio_pci virtio_net virtio_rng; mkfifo /tmp/open; httpd -h /tmp; echo drivers' >/dev/null
    for name; do
        check "virtio-net without $name" one_interface "$vm" $index "eth$number" "$name"
        index=$((index + 1)) number=$((number + 1))
    done
    check "virtio-rng without $rng" has_entropy "$vm"
    verb "$vm" stop >/dev/null
    check "$vm stops" wait_state "$vm" stopped
}

mp tun
dd if=/dev/urandom of=/run/data bs=1M count=2 2>/dev/null
sum=$(sha256sum </run/data | cut -d' ' -f1)
check "hvrootd starts on the test host" start_server || exit 0

# Four interfaces at a time: with more of them the emulated machine was seen to stand still.
set -- $network
first=0
# One VM more than there are features of virtio-rng: all of virtio-net have their turn.
for rng in $common none none; do
    names=''
    while [ $# -gt 0 ] && [ "$(echo $names | wc -w)" -lt 4 ]; do
        names="$names $1"
        shift
    done
    check "a VM with interfaces $names" interfaces "net$first" $first $names
    test_interfaces "net$first" $first $names
    first=$((first + 4))
done
check "every feature had its turn" [ $# = 0 ]
