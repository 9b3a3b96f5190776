// io_uring through liburing, as far as the disks need it. liburing's own header wants _GNU_SOURCE, which would give
// Glibc's types another shape than Swift's Glibc module has: so it is seen by the C file only.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct hv_ring;

struct hv_ring_completion {
    uint64_t token;
    // What the system call would have returned; an error as its negative number.
    int32_t result;
};

// A ring for so many operations at a time, for one thread. 0, or the error's negative number.
int hv_ring_make(unsigned entries, struct hv_ring **ring);
void hv_ring_free(struct hv_ring *ring);
// Readable while there are completions.
int hv_ring_descriptor(const struct hv_ring *ring);

// Each notes one operation: 0, or -EBUSY where `hv_ring_submit` has to be called first. The vectors and what they name
// are the kernel's until the completion with `token`.
int hv_ring_read(struct hv_ring *ring, int fd, const struct iovec *vectors, unsigned count, uint64_t offset,
                 uint64_t token);
int hv_ring_write(struct hv_ring *ring, int fd, const struct iovec *vectors, unsigned count, uint64_t offset,
                  bool durable, uint64_t token);
int hv_ring_sync(struct hv_ring *ring, int fd, uint64_t token);
int hv_ring_fallocate(struct hv_ring *ring, int fd, int mode, uint64_t offset, uint64_t count, uint64_t token);

// Hands what was noted to the kernel: how many, or the error's negative number.
int hv_ring_submit(struct hv_ring *ring);
// Takes up to `limit` completions: how many.
unsigned hv_ring_take(struct hv_ring *ring, struct hv_ring_completion *completions, unsigned limit);

// The vector calls on files for threads that wait: as preadv and pwritev2 with RWF_DSYNC where durable; -1 with errno.
int64_t hv_read_vectors(int fd, const struct iovec *vectors, unsigned count, uint64_t offset);
int64_t hv_write_vectors(int fd, const struct iovec *vectors, unsigned count, uint64_t offset, bool durable);

// fallocate's modes.
enum {
    hv_fallocate_keep_size = 1,
    hv_fallocate_punch_hole = 2,
    hv_fallocate_zero_range = 16,
};
int hv_fallocate(int fd, int mode, uint64_t offset, uint64_t count);

enum { hv_open_direct = 040000 };

// An open file description lock on the whole file, shared or exclusive: 0, or -1 with errno (EAGAIN, EACCES: another
// open file has one that does not go with it).
int hv_lock_file(int fd, bool exclusive);

// Bytes of a block device, and its logical and physical block size: 0, or -1 with errno.
int hv_block_device(int fd, uint64_t *size, uint32_t *logical, uint32_t *physical);
// What O_DIRECT asks of a file's buffers and offsets: 0; -1 where the kernel or the file system does not say.
int hv_direct_alignment(int fd, uint32_t *memory, uint32_t *offset);
