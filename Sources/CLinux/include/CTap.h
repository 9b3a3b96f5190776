// Network interfaces for Swift: the requests of tap devices (function-like macros there), and struct ifreq's union.
#pragma once
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct ifreq) == 40, "ifreq");

static const unsigned HV_TUN_CSUM = TUN_F_CSUM;
static const unsigned HV_TUN_TSO4 = TUN_F_TSO4;
static const unsigned HV_TUN_TSO6 = TUN_F_TSO6;
// TUN_F_USO4 and TUN_F_USO6 (Linux 6.2), which older headers lack. The kernel takes both or none.
static const unsigned HV_TUN_USO = 0x20 | 0x40;

// An interface's name, NUL-terminated; the caller's text has at most IFNAMSIZ - 1 bytes.
struct hv_interface_name {
    char bytes[IFNAMSIZ];
};

static inline struct ifreq hv_interface_request(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return request;
}

// Joins a descriptor of /dev/net/tun to the tap of that name, which is made where there is none. A name with %d in it
// is the kernel's to complete. 0, or -1 with errno.
static inline int hv_tap_join(int fd, const char *name, int queues, struct hv_interface_name *joined) {
    struct ifreq request = hv_interface_request(name);
    request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues ? IFF_MULTI_QUEUE : 0));
    if (ioctl(fd, TUNSETIFF, &request) != 0) return -1;
    memcpy(joined->bytes, request.ifr_name, IFNAMSIZ);
    joined->bytes[IFNAMSIZ - 1] = 0;
    return 0;
}
static inline int hv_tap_attach_queue(int fd, int attached) {
    struct ifreq request = hv_interface_request("");
    request.ifr_flags = (short)(attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
    return ioctl(fd, TUNSETQUEUE, &request);
}
static inline int hv_tap_set_offloads(int fd, unsigned offloads) {
    return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads);
}
// Headers of virtio 1: 12 bytes, little-endian.
static inline int hv_tap_set_headers(int fd) {
    int size = 12, little_endian = 1;
    if (ioctl(fd, TUNSETVNETHDRSZ, &size) != 0) return -1;
    return ioctl(fd, TUNSETVNETLE, &little_endian);
}

static inline int hv_interface_mtu(int socket, const char *name) {
    struct ifreq request = hv_interface_request(name);
    return ioctl(socket, SIOCGIFMTU, &request) != 0 ? -1 : request.ifr_mtu;
}
static inline int hv_interface_set_mtu(int socket, const char *name, int mtu) {
    struct ifreq request = hv_interface_request(name);
    request.ifr_mtu = mtu;
    return ioctl(socket, SIOCSIFMTU, &request);
}
// 1 where it is up, 0 where it is not, -1 with errno.
static inline int hv_interface_is_up(int socket, const char *name) {
    struct ifreq request = hv_interface_request(name);
    if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return -1;
    return (request.ifr_flags & IFF_UP) != 0;
}
static inline int hv_interface_set_up(int socket, const char *name, int up) {
    struct ifreq request = hv_interface_request(name);
    if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return -1;
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    return ioctl(socket, SIOCSIFFLAGS, &request);
}
static inline int hv_bridge_add(int socket, const char *bridge, unsigned index) {
    struct ifreq request = hv_interface_request(bridge);
    request.ifr_ifindex = (int)index;
    return ioctl(socket, SIOCBRADDIF, &request);
}
static inline int hv_bridge_remove(int socket, const char *bridge, unsigned index) {
    struct ifreq request = hv_interface_request(bridge);
    request.ifr_ifindex = (int)index;
    return ioctl(socket, SIOCBRDELIF, &request);
}
// The index of the interface (a bridge, say) whose port this one is; 0: of none, -1 with errno. From rtnetlink, because
// sysfs shows the interfaces of the network for which it was mounted.
static inline int hv_interface_master(unsigned index) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.link.ifi_index = (int)index;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return -1;
    // An answer about one interface has at most a few KiB, more with virtual functions; the master comes early.
    _Alignas(struct nlmsghdr) char answer[16384];
    ssize_t count = -1;
    if (send(fd, &request, sizeof request, 0) >= 0) count = recv(fd, answer, sizeof answer, 0);
    int error = errno;
    close(fd);
    errno = error;
    if (count < 0) return -1;
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    if (count < (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) || header->nlmsg_type != RTM_NEWLINK) {
        errno = ENODEV;
        return -1;
    }
    unsigned whole = header->nlmsg_len < (size_t)count ? header->nlmsg_len : (unsigned)count;
    int left = (int)(whole - NLMSG_LENGTH(sizeof(struct ifinfomsg)));
    const struct rtattr *attribute = (const struct rtattr *)(answer + NLMSG_LENGTH(sizeof(struct ifinfomsg)));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type != IFLA_MASTER || RTA_PAYLOAD(attribute) != sizeof(unsigned)) continue;
        unsigned master;
        memcpy(&master, RTA_DATA(attribute), sizeof master);
        return (int)master;
    }
    return 0;
}
enum { hv_netlink_socket_type = SOCK_RAW | SOCK_CLOEXEC };
static inline int hv_interface_socket(void) { return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
// From now on the calling thread has a network of its own (CLONE_NEWNET). 0, or -1 with errno.
static inline int hv_own_network(void) { return (int)syscall(SYS_unshare, 0x40000000); }
