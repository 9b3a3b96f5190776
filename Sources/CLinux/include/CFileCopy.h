// Copies of files by the kernel: system calls and values that Glibc's headers show only with _GNU_SOURCE.
#pragma once
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const int HV_SEEK_DATA = 3;
static const int HV_SEEK_HOLE = 4;
_Static_assert(sizeof(loff_t) == 8, "loff_t");

// Makes `to` share the blocks of `from` (a reflink). -1 with errno where the file system can't.
static inline int hv_clone_file(int to, int from) { return ioctl(to, FICLONE, from); }

// Copies up to `count` bytes from the same offset of `from`. Bytes copied, or -1 with errno.
static inline ssize_t hv_copy_range(int from, int to, off_t offset, size_t count) {
    loff_t in = offset, out = offset;
    return (ssize_t)syscall(SYS_copy_file_range, from, &in, to, &out, count, 0u);
}
