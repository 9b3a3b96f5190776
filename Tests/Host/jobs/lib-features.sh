# What the jobs share that keep features of virtio devices from Linux's drivers; sourced behind lib.sh.

guest() { # guest VM PATTERN COMMAND [SECONDS]: the command's output in the guest
    mark "$1"
    send "$1" "$3" && wait_console "$1" "$2" "$4"
}
define() { # define VM COUNT MEMBERS
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":$2},\"memory\":{\"size\":\"192MiB\"},\"boot\":{\"kernel\":\"/guest/vmlinux\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1\"},$3}"
}
bit() { # bit NAME: its number (virtio 1.2)
    case $1 in
    *_F_INDIRECT_DESC) echo 28 ;; *_F_EVENT_IDX) echo 29 ;; *_F_RING_PACKED) echo 34 ;;
    *BLK_F_SIZE_MAX) echo 1 ;; *BLK_F_SEG_MAX) echo 2 ;; *BLK_F_BLK_SIZE) echo 6 ;; *BLK_F_FLUSH) echo 9 ;;
    *BLK_F_TOPOLOGY) echo 10 ;; *BLK_F_CONFIG_WCE) echo 11 ;; *BLK_F_MQ) echo 12 ;; *BLK_F_DISCARD) echo 13 ;;
    *BLK_F_WRITE_ZEROES) echo 14 ;;
    *NET_F_CSUM) echo 0 ;; *NET_F_GUEST_CSUM) echo 1 ;; *NET_F_CTRL_GUEST_OFFLOADS) echo 2 ;; *NET_F_MTU) echo 3 ;;
    *NET_F_MAC) echo 5 ;; *NET_F_GUEST_TSO4) echo 7 ;; *NET_F_GUEST_TSO6) echo 8 ;; *NET_F_HOST_TSO4) echo 11 ;;
    *NET_F_HOST_TSO6) echo 12 ;; *NET_F_MRG_RXBUF) echo 15 ;; *NET_F_STATUS) echo 16 ;; *NET_F_CTRL_VQ) echo 17 ;;
    *NET_F_MQ) echo 22 ;;
    *BALLOON_F_STATS_VQ) echo 1 ;; *BALLOON_F_DEFLATE_ON_OOM) echo 2 ;; *BALLOON_F_PAGE_REPORTING) echo 5 ;;
    *CONSOLE_F_SIZE) echo 0 ;; *CONSOLE_F_EMERG_WRITE) echo 2 ;;
    *VSOCK_F_STREAM) echo 0 ;;
    esac
}
# What the guest can say of a device: whether a feature was negotiated, as "feature-VALUE-".
negotiated() { # negotiated VM SYSFS NAME VALUE
    guest "$1" "^feature-$4-" "echo feature-\$(cut -c$(($(bit "$3") + 1)) $2/device/features)-"
}

common='VIRTIO_F_INDIRECT_DESC VIRTIO_F_EVENT_IDX VIRTIO_F_RING_PACKED'
