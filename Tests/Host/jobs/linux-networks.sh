# Networks of the server's own: a Linux guest gets its address, its names, a way out and its metadata; what runs for it is
# found again after kill -9; nothing is left of what was deleted.
. /lib.sh

network() { # network ID PATH: a value of a network's resource
    api GET "/v1/networks/$1" | json "$2"
}
ready() { same "$(network "$1" .status.state)" ready || { api GET "/v1/networks/$1" && return 1; }; }
in_network() { # in_network VM NETWORK [MORE]
    api POST /v1/vms "{\"id\":\"$1\",\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1\"},
        \"networkInterfaces\":[{\"id\":\"net0\",\"network\":\"$2\"}]$3}"
}
# What the guest's DHCP client does with what it is told. The guest has no shell scripts of its own.
client='cat >/tmp/dhcp <<"END"
#!/bin/sh
[ "$1" = bound ] || exit 0
echo lease-$ip
ip addr flush dev $interface; ip addr add $ip/$mask dev $interface
set -- $staticroutes
while [ $# -gt 1 ]; do
    [ $1 = 0.0.0.0/0 ] && ip route add default via $2 || ip route add $1 via $2 dev $interface
    shift 2
done
[ -n "$router" ] && ip route add default via $router
echo "nameserver $dns" >/etc/resolv.conf
END
chmod +x /tmp/dhcp; mp virtio_pci virtio_net; ip link set lo up; ip link set eth0 up; echo client-$((3*5))'
ask() { # ask LINES: sends a request to the metadata service, as lines with \r\n
    echo "(printf '$1'; sleep 2) | nc -w 5 169.254.169.254 80"
}
within() { # within PREFIX ADDRESS
    case $2 in "$1".?*) return 0 ;; esac
    echo "'$2' is no address in $1.0"
    return 1
}
gone() { # gone BRIDGE: nothing of networks is left on the host
    ! $ip link show "$1" 2>/dev/null && [ -z "$(ls $run_dir/networks)" ] && $nft list ruleset >/tmp/rules && ! grep "$1" /tmp/rules
}
dns_answers() { nslookup linux.lab.test "$gateway" | grep "$address"; }

mp tun bridge veth nf_conntrack nf_tables nft_chain_nat nft_masq nft_ct nft_limit nft_meta_bridge
echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>/etc/passwd
echo 'nogroup:x:65534:' >>/etc/group
# The outside: a network of its own, behind a link of the host's. It knows the host, and no guest.
ip=/usr/sbin/ip # busybox's knows no veth
nft=/usr/sbin/nft
unshare -n sleep 10000 &
outside=$!
sleep 0.5
$ip link add out0 type veth peer name out1 && $ip link set out1 netns $outside
$ip addr add 203.0.113.1/24 dev out0 && $ip link set out0 up
nsenter -t $outside -n $ip addr add 203.0.113.2/24 dev out1
nsenter -t $outside -n $ip link set out1 up

check "hvrootd starts on the test host" start_server || exit 0
check "a network with nat is made" api POST /v1/networks \
    '{"id":"lab","mode":"nat","subnet":"10.9.0.0/24","domain":"lab.test","metadata":true}'
check "it is ready" ready lab
check "an isolated network is made" api POST /v1/networks '{"id":"alone","mode":"isolated","subnet":"10.10.0.0/24"}'
check "it is ready too" ready alone
check "one on a bridge of somebody else's is not" refused 'not of this server' sh -c \
    "$ip link add hv-mine type bridge; curl -s --json '{\"id\":\"mine\",\"mode\":\"nat\"}' $server/v1/networks; false"
api DELETE /v1/networks/mine
check "whose bridge stays" $ip link show hv-mine
secret=seed-$(head -c 8 /dev/urandom | sha256sum | head -c 12)
check "a VM in the network is defined" in_network linux lab \
    ',"cloudInit":{"userData":"#cloud-config '$secret'","metaData":"{\"public-keys\":[\"ssh-ed25519 KEY\"]}"}'
guest=linux
address=$(field linux .networkInterfaces.0.addresses.0)
gateway=$(network lab .gateway)
check "it has an address there" within 10.9.0 "$address"
check "and one in the isolated network" in_network lone alone
check "it starts" verb linux start
check "so does the other" verb lone start
check "Linux boots" wait_console linux GUEST-USERSPACE-OK
send linux "$client"
check "its interface is up" wait_console linux '^client-15'
check "DHCP gives it the address that the API says" answers "^lease-$address" 'udhcpc -i eth0 -n -q -s /tmp/dhcp'
check "it reaches its gateway" answers ' 0% packet loss' "ping -c 2 -W 10 $gateway"
check "it finds its own name" answers "Address: $address" 'nslookup linux.lab.test'
check "it reaches the outside" answers ' 0% packet loss' 'ping -c 2 -W 10 203.0.113.2'
check "it does not reach the server's API" answers '^refused-15' \
    "nc -w 5 $gateway 7480 </dev/null || echo refused-\$((3*5))"
check "another address goes nowhere" answers ' 100% packet loss' \
    "ip addr add 10.9.0.250/24 dev eth0; ping -I 10.9.0.250 -c 2 -W 2 $gateway; ip addr del 10.9.0.250/24 dev eth0"
check "metadata is not given without a token" answers '401 Unauthorized' \
    "$(ask 'GET /latest/user-data HTTP/1.0\r\n\r\n')"
check "a token is given" answers '200 OK' \
    "$(ask 'PUT /latest/api/token HTTP/1.0\r\nX-metadata-token-ttl-seconds: 600\r\n\r\n') | tee /tmp/token"
check "and opens user-data" answers "cloud-config $secret" \
    "T=\$(tail -n 1 /tmp/token); $(ask "GET /latest/user-data HTTP/1.0\\r\\nX-metadata-token: '\$T'\\r\\n\\r\\n")"
check "and the key" answers '^ssh-ed25519 KEY' \
    "$(ask "GET /latest/meta-data/public-keys/0/openssh-key HTTP/1.0\\r\\nX-metadata-token: '\$T'\\r\\n\\r\\n")"
check "the network can't be deleted" refused "VM 'linux'" api DELETE /v1/networks/lab

kill -9 "$(cat $run_dir/networks/lab/dnsmasq.pid)"
check "dnsmasq is killed, and comes again" until_true dns_answers 20
check "the network is ready again" until_true 'ready lab' 20
dnsmasq=$(cat $run_dir/networks/lab/dnsmasq.pid)
kill -9 $server_pid
wait $server_pid
check "without the server names are found" dns_answers
check "the server comes again" start_server
check "and has kept dnsmasq" same "$(cat $run_dir/networks/lab/dnsmasq.pid)" "$dnsmasq"
check "the guest still gets its address" answers "^lease-$address" 'udhcpc -i eth0 -n -q -s /tmp/dhcp'
check "and reaches the outside" answers ' 0% packet loss' 'ping -c 2 -W 10 203.0.113.2'
check "tokens of the old server are none" answers '401 Unauthorized' \
    "$(ask "GET /latest/user-data HTTP/1.0\\r\\nX-metadata-token: '\$T'\\r\\n\\r\\n")"

guest=lone
other=$address
address=$(field lone .networkInterfaces.0.addresses.0)
check "the VM in the isolated network has one there" within 10.10.0 "$address"
check "the other Linux is there" wait_console lone GUEST-USERSPACE-OK
mark lone
send lone "$client"
check "its interface is up" wait_console lone '^client-15'
check "DHCP gives it an address" answers "^lease-$address" 'udhcpc -i eth0 -n -q -s /tmp/dhcp'
check "it reaches the gateway of its network" answers ' 0% packet loss' 'ping -c 2 -W 10 10.10.0.1'
check "it does not reach the outside" answers ' 100% packet loss' \
    'ip route add default via 10.10.0.1; ping -c 2 -W 2 203.0.113.2'
check "nor a VM in the other network" answers ' 100% packet loss' "ping -c 2 -W 2 $other"
check "nor its gateway" answers ' 100% packet loss' "ping -c 2 -W 2 $gateway"
for vm in linux lone; do
    verb $vm stop >/dev/null
    check "$vm stops" wait_state $vm stopped
    api DELETE /v1/vms/$vm >/dev/null
done
api DELETE /v1/networks/lab >/dev/null
check "a deleted network leaves no bridge" refused 'does not exist' $ip link show hv-lab
check "the other one stays" ready alone
api DELETE /v1/networks/alone >/dev/null
check "nothing is left" gone hv-alone
check "no dnsmasq either" same "$(pgrep dnsmasq | wc -l)" 0
