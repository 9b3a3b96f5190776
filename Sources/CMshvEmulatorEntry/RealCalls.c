#define _GNU_SOURCE
#include "RealCalls.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct real_calls calls;
static int found;

// Where a C library lacks a function, the kernel's own call stands in.
static int kernel_close_range(unsigned first, unsigned last, int flags) {
    return (int)syscall(SYS_close_range, first, last, flags);
}
static int kernel_fstat(int fd, struct stat *status) { return (int)syscall(SYS_fstat, fd, status); }
static int kernel_fstatat(int directory, const char *path, struct stat *status, int flags) {
    return (int)syscall(SYS_newfstatat, directory, path, status, flags);
}
static int kernel_statx(int directory, const char *path, int flags, unsigned mask, struct statx *status) {
    return (int)syscall(SYS_statx, directory, path, flags, mask, status);
}

static void *next(const char *name, void *otherwise) {
    void *function = dlsym(RTLD_NEXT, name);
    return function ? function : otherwise;
}

// Twice by two threads does no harm: both write the same.
static void find(void) {
    calls.openat = (int (*)(int, const char *, int, ...))next("openat", NULL);
    calls.ioctl = (int (*)(int, unsigned long, ...))next("ioctl", NULL);
    calls.close = (int (*)(int))next("close", NULL);
    calls.close_range = (int (*)(unsigned, unsigned, int))next("close_range", (void *)kernel_close_range);
    calls.dup2 = (int (*)(int, int))next("dup2", NULL);
    calls.dup3 = (int (*)(int, int, int))next("dup3", NULL);
    calls.mmap = (void *(*)(void *, size_t, int, int, int, off_t))next("mmap", NULL);
    calls.munmap = (int (*)(void *, size_t))next("munmap", NULL);
    calls.fstat = (int (*)(int, struct stat *))next("fstat", (void *)kernel_fstat);
    calls.fstatat = (int (*)(int, const char *, struct stat *, int))next("fstatat", (void *)kernel_fstatat);
    calls.statx = (int (*)(int, const char *, int, unsigned, struct statx *))next("statx", (void *)kernel_statx);
    calls.faccessat = (int (*)(int, const char *, int, int))next("faccessat", NULL);
    __atomic_store_n(&found, 1, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void find_early(void) {
    if (!__atomic_load_n(&found, __ATOMIC_ACQUIRE)) find();
}

const struct real_calls *real(void) {
    if (!__atomic_load_n(&found, __ATOMIC_ACQUIRE)) find();
    return &calls;
}

int file_of(int fd, dev_t *device, ino_t *inode) {
    struct stat status;
    int saved = errno;
    // Not the C library's: it may be taken over, by us.
    int result = (int)syscall(SYS_fstat, fd, &status);
    if (result == 0) {
        *device = status.st_dev;
        *inode = status.st_ino;
    }
    errno = saved;
    return result;
}
