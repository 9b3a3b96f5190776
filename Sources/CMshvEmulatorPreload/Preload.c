#define _GNU_SOURCE
#include "CMshvEmulatorEntry.h"
#include "CMshvEmulatorPreload.h"
// The headers' inline variants of these functions would be in the way of their definitions.
#undef _FORTIFY_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

// The mode is there only where the flags make a file.
#define MODE_OF(flags, mode)                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                           \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = va_arg(list, mode_t);                                                                                   \
        va_end(list);                                                                                                  \
    }

EXPORTED int open(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return hvemu_open(path, flags, mode);
}

EXPORTED int open64(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return hvemu_open(path, flags | O_LARGEFILE, mode);
}

EXPORTED int openat(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return hvemu_openat(directory, path, flags, mode);
}

EXPORTED int openat64(int directory, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return hvemu_openat(directory, path, flags | O_LARGEFILE, mode);
}

EXPORTED int creat(const char *path, mode_t mode) { return hvemu_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
EXPORTED int creat64(const char *path, mode_t mode) { return creat(path, mode); }

// What the headers make of the above where they check arguments.
EXPORTED int __open_2(const char *path, int flags) { return hvemu_open(path, flags, 0); }
EXPORTED int __open64_2(const char *path, int flags) { return hvemu_open(path, flags | O_LARGEFILE, 0); }
EXPORTED int __openat_2(int directory, const char *path, int flags) { return hvemu_openat(directory, path, flags, 0); }
EXPORTED int __openat64_2(int directory, const char *path, int flags) {
    return hvemu_openat(directory, path, flags | O_LARGEFILE, 0);
}

EXPORTED int ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return hvemu_ioctl(fd, request, argument);
}

EXPORTED int close(int fd) { return hvemu_close(fd); }
EXPORTED int close_range(unsigned first, unsigned last, int flags) { return hvemu_close_range(first, last, flags); }
EXPORTED void closefrom(int first) { (void)hvemu_close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0); }
EXPORTED int dup2(int from, int to) { return hvemu_dup2(from, to); }
EXPORTED int dup3(int from, int to, int flags) { return hvemu_dup3(from, to, flags); }

EXPORTED void *mmap(void *address, size_t count, int protection, int flags, int fd, off_t offset) {
    return hvemu_mmap(address, count, protection, flags, fd, offset);
}
EXPORTED void *mmap64(void *address, size_t count, int protection, int flags, int fd, off_t offset) {
    return hvemu_mmap(address, count, protection, flags, fd, offset);
}
EXPORTED int munmap(void *address, size_t count) { return hvemu_munmap(address, count); }

EXPORTED int access(const char *path, int mode) { return hvemu_faccessat(AT_FDCWD, path, mode, 0); }
EXPORTED int euidaccess(const char *path, int mode) { return hvemu_faccessat(AT_FDCWD, path, mode, AT_EACCESS); }
EXPORTED int eaccess(const char *path, int mode) { return hvemu_faccessat(AT_FDCWD, path, mode, AT_EACCESS); }
EXPORTED int faccessat(int directory, const char *path, int mode, int flags) {
    return hvemu_faccessat(directory, path, mode, flags);
}

EXPORTED int stat(const char *path, struct stat *status) { return hvemu_fstatat(AT_FDCWD, path, status, 0); }
EXPORTED int lstat(const char *path, struct stat *status) {
    return hvemu_fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}
EXPORTED int fstat(int fd, struct stat *status) { return hvemu_fstat(fd, status); }
EXPORTED int fstatat(int directory, const char *path, struct stat *status, int flags) {
    return hvemu_fstatat(directory, path, status, flags);
}
EXPORTED int statx(int directory, const char *path, int flags, unsigned mask, struct statx *status) {
    return hvemu_statx(directory, path, flags, mask, status);
}

// On x86-64 both structures are the same.
EXPORTED int stat64(const char *path, struct stat64 *status) { return stat(path, (struct stat *)status); }
EXPORTED int lstat64(const char *path, struct stat64 *status) { return lstat(path, (struct stat *)status); }
EXPORTED int fstat64(int fd, struct stat64 *status) { return hvemu_fstat(fd, (struct stat *)status); }
EXPORTED int fstatat64(int directory, const char *path, struct stat64 *status, int flags) {
    return hvemu_fstatat(directory, path, (struct stat *)status, flags);
}

// The names that programs built before glibc 2.33 call.
EXPORTED int __xstat(int version, const char *path, struct stat *status) { return stat(path, status); }
EXPORTED int __lxstat(int version, const char *path, struct stat *status) { return lstat(path, status); }
EXPORTED int __fxstat(int version, int fd, struct stat *status) { return hvemu_fstat(fd, status); }
EXPORTED int __xstat64(int version, const char *path, struct stat64 *status) { return stat64(path, status); }
EXPORTED int __lxstat64(int version, const char *path, struct stat64 *status) { return lstat64(path, status); }
EXPORTED int __fxstat64(int version, int fd, struct stat64 *status) { return fstat64(fd, status); }
EXPORTED int __fxstatat(int version, int directory, const char *path, struct stat *status, int flags) {
    return hvemu_fstatat(directory, path, status, flags);
}
EXPORTED int __fxstatat64(int version, int directory, const char *path, struct stat64 *status, int flags) {
    return hvemu_fstatat(directory, path, (struct stat *)status, flags);
}
