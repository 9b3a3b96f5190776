// The kernel's vhost: queues of a guest that the host's kernel serves itself (linux/vhost.h).
#pragma once

#include <errno.h>
#include <linux/vhost.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(struct vhost_vring_state) == 8 && sizeof(struct vhost_vring_file) == 8, "rings");
_Static_assert(sizeof(struct vhost_vring_addr) == 40 && sizeof(struct vhost_memory_region) == 32, "addresses");

typedef struct vhost_memory_region hv_vhost_region;
typedef struct vhost_vring_addr hv_vhost_addresses;

static inline int hv_vhost_set_owner(int fd) { return ioctl(fd, VHOST_SET_OWNER, NULL); }
static inline int hv_vhost_get_features(int fd, uint64_t *features) {
    __u64 value = 0;
    int result = ioctl(fd, VHOST_GET_FEATURES, &value);
    *features = value;
    return result;
}
static inline int hv_vhost_set_features(int fd, uint64_t features) {
    __u64 value = features;
    return ioctl(fd, VHOST_SET_FEATURES, &value);
}
static inline int hv_vhost_set_memory(int fd, const hv_vhost_region *regions, uint32_t count) {
    size_t size = count * sizeof *regions;
    struct vhost_memory *memory = calloc(1, sizeof *memory + size);
    if (!memory) return -1;
    memory->nregions = count;
    memcpy(memory->regions, regions, size);
    int result = ioctl(fd, VHOST_SET_MEM_TABLE, memory), error = errno;
    free(memory);
    errno = error;
    return result;
}
static inline int hv_vhost_set_size(int fd, unsigned ring, unsigned size) {
    struct vhost_vring_state state = {ring, size};
    return ioctl(fd, VHOST_SET_VRING_NUM, &state);
}
static inline int hv_vhost_set_base(int fd, unsigned ring, unsigned base) {
    struct vhost_vring_state state = {ring, base};
    return ioctl(fd, VHOST_SET_VRING_BASE, &state);
}
// The next element of the available ring, or -1.
static inline int hv_vhost_get_base(int fd, unsigned ring) {
    struct vhost_vring_state state = {ring, 0};
    return ioctl(fd, VHOST_GET_VRING_BASE, &state) != 0 ? -1 : (int)(uint16_t)state.num;
}
static inline int hv_vhost_set_addresses(int fd, const hv_vhost_addresses *addresses) {
    hv_vhost_addresses copy = *addresses;
    return ioctl(fd, VHOST_SET_VRING_ADDR, &copy);
}
// Descriptors of eventfds; -1: none.
static inline int hv_vhost_set_kick(int fd, unsigned ring, int event) {
    struct vhost_vring_file file = {ring, event};
    return ioctl(fd, VHOST_SET_VRING_KICK, &file);
}
static inline int hv_vhost_set_call(int fd, unsigned ring, int event) {
    struct vhost_vring_file file = {ring, event};
    return ioctl(fd, VHOST_SET_VRING_CALL, &file);
}
static inline int hv_vhost_set_error(int fd, unsigned ring, int event) {
    struct vhost_vring_file file = {ring, event};
    return ioctl(fd, VHOST_SET_VRING_ERR, &file);
}
// The descriptor of a tap; -1: the ring is not served any more.
static inline int hv_vhost_net_set_backend(int fd, unsigned ring, int tap) {
    struct vhost_vring_file file = {ring, tap};
    return ioctl(fd, VHOST_NET_SET_BACKEND, &file);
}
static inline int hv_vhost_vsock_set_cid(int fd, uint64_t cid) {
    __u64 value = cid;
    return ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &value);
}
static inline int hv_vhost_vsock_set_running(int fd, int running) {
    return ioctl(fd, VHOST_VSOCK_SET_RUNNING, &running);
}

