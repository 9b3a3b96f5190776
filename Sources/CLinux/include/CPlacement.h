// Where threads run and memory lies: system calls that Glibc has no function or no public function for.
#pragma once
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// The calling thread's processors, a bit for each. 0, or an errno.
static inline int hv_set_affinity(const uint64_t *mask, size_t words) {
    return syscall(SYS_sched_setaffinity, 0L, words * 8, mask) < 0 ? errno : 0;
}

// How many words the kernel filled; 0 where it can't.
static inline size_t hv_get_affinity(uint64_t *mask, size_t words) {
    long bytes = syscall(SYS_sched_getaffinity, 0L, words * 8, mask);
    return bytes > 0 ? (size_t)bytes / 8 : 0;
}

// The kernel takes one bit less than the number says. 0, or an errno.
static inline int hv_mbind(void *base, size_t count, int mode, const uint64_t *mask, size_t words) {
    return syscall(SYS_mbind, base, count, (long)mode, mask, words * 64 + 1, 0L) < 0 ? errno : 0;
}

// MADV_POPULATE_WRITE (Linux 5.14). 0, or an errno.
static inline int hv_populate(void *base, size_t count) {
    while (madvise(base, count, 23) != 0) {
        if (errno != EINTR && errno != EAGAIN) return errno;
    }
    return 0;
}

static const int HV_MAP_HUGETLB = MAP_HUGETLB;
// The page size of a mapping is its logarithm, in these bits of the flags.
static const int HV_MAP_HUGE_SHIFT = 26;
