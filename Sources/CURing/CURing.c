#define _GNU_SOURCE
#include "CURing.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(hv_fallocate_keep_size == FALLOC_FL_KEEP_SIZE, "as the kernel has it");
_Static_assert(hv_fallocate_punch_hole == FALLOC_FL_PUNCH_HOLE, "as the kernel has it");
_Static_assert(hv_fallocate_zero_range == FALLOC_FL_ZERO_RANGE, "as the kernel has it");
_Static_assert(hv_open_direct == O_DIRECT, "as the kernel has it");

struct hv_ring {
    struct io_uring ring;
};

int hv_ring_make(unsigned entries, struct hv_ring **ring) {
    struct hv_ring *made = calloc(1, sizeof *made);
    if (!made) return -ENOMEM;
    int code = io_uring_queue_init(entries, &made->ring, 0);
    if (code < 0) {
        free(made);
        return code;
    }
    *ring = made;
    return 0;
}

void hv_ring_free(struct hv_ring *ring) {
    io_uring_queue_exit(&ring->ring);
    free(ring);
}

int hv_ring_descriptor(const struct hv_ring *ring) { return ring->ring.ring_fd; }

int hv_ring_read(struct hv_ring *ring, int fd, const struct iovec *vectors, unsigned count, uint64_t offset,
                 uint64_t token) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_readv(entry, fd, vectors, count, offset);
    io_uring_sqe_set_data64(entry, token);
    return 0;
}

int hv_ring_write(struct hv_ring *ring, int fd, const struct iovec *vectors, unsigned count, uint64_t offset,
                  bool durable, uint64_t token) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_writev2(entry, fd, vectors, count, offset, durable ? RWF_DSYNC : 0);
    io_uring_sqe_set_data64(entry, token);
    return 0;
}

int hv_ring_sync(struct hv_ring *ring, int fd, uint64_t token) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, token);
    return 0;
}

int hv_ring_fallocate(struct hv_ring *ring, int fd, int mode, uint64_t offset, uint64_t count, uint64_t token) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry) return -EBUSY;
    io_uring_prep_fallocate(entry, fd, mode, (off_t)offset, (off_t)count);
    io_uring_sqe_set_data64(entry, token);
    return 0;
}

int hv_ring_submit(struct hv_ring *ring) { return io_uring_submit(&ring->ring); }

unsigned hv_ring_take(struct hv_ring *ring, struct hv_ring_completion *completions, unsigned limit) {
    unsigned count = 0;
    struct io_uring_cqe *entry;
    while (count < limit && io_uring_peek_cqe(&ring->ring, &entry) == 0) {
        completions[count].token = io_uring_cqe_get_data64(entry);
        completions[count].result = entry->res;
        io_uring_cqe_seen(&ring->ring, entry);
        count++;
    }
    return count;
}

int64_t hv_read_vectors(int fd, const struct iovec *vectors, unsigned count, uint64_t offset) {
    return preadv(fd, vectors, (int)count, (off_t)offset);
}

int64_t hv_write_vectors(int fd, const struct iovec *vectors, unsigned count, uint64_t offset, bool durable) {
    return pwritev2(fd, vectors, (int)count, (off_t)offset, durable ? RWF_DSYNC : 0);
}

int hv_fallocate(int fd, int mode, uint64_t offset, uint64_t count) {
    return fallocate(fd, mode, (off_t)offset, (off_t)count);
}

int hv_lock_file(int fd, bool exclusive) {
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

int hv_block_device(int fd, uint64_t *size, uint32_t *logical, uint32_t *physical) {
    int logical_size = 0;
    unsigned physical_size = 0;
    if (ioctl(fd, BLKGETSIZE64, size) != 0 || ioctl(fd, BLKSSZGET, &logical_size) != 0 ||
        ioctl(fd, BLKPBSZGET, &physical_size) != 0)
        return -1;
    *logical = (uint32_t)logical_size;
    *physical = physical_size;
    return 0;
}

int hv_direct_alignment(int fd, uint32_t *memory, uint32_t *offset) {
    // STATX_DIOALIGN (Linux 6.1), whose names Debian 12's headers may lack: its mask and the places of its two fields.
    struct {
        uint32_t mask;
        uint8_t before[148];
        uint32_t memory_alignment, offset_alignment;
        uint8_t behind[96];
    } answer;
    _Static_assert(sizeof answer == 256, "as the kernel's struct statx");
    memset(&answer, 0, sizeof answer);
    const uint32_t wanted = 0x2000;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, wanted, &answer) != 0) return -1;
    if (!(answer.mask & wanted) || answer.offset_alignment == 0) return -1;
    *memory = answer.memory_alignment;
    *offset = answer.offset_alignment;
    return 0;
}
