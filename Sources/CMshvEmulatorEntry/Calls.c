#define _GNU_SOURCE
#include "CMshvEmulatorEntry.h"
#include "Objects.h"
#include "RealCalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEVICE_PATH "/dev/mshv"
// `misc`, with a number from its dynamic range, which no driver in Linux has fixed.
#define DEVICE_NUMBER makedev(10, 255)

static int fail(int code) {
    errno = code;
    return -1;
}

static int answer(int result) { return result < 0 ? fail(-result) : result; }

int hvemu_names_device(int directory, const char *path) {
    if (!path) return 0;
    if (path[0] == '/') return strcmp(path, DEVICE_PATH) == 0;
    if (strcmp(path, "mshv") != 0) return 0;
    // Relative to /dev, as the working directory or as an open one.
    char link[64], target[8];
    int saved = errno;
    if (directory == AT_FDCWD) {
        snprintf(link, sizeof link, "/proc/self/cwd");
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    }
    ssize_t count = readlink(link, target, sizeof target);
    errno = saved;
    return count == 4 && memcmp(target, "/dev", 4) == 0;
}

static int open_device(int flags) {
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return fail(EEXIST);
    if (flags & O_DIRECTORY) return fail(ENOTDIR);
    // Descriptors that went unseen may have been the last of their objects.
    if (objects_exist()) objects_reap(0);
    int saved = errno;
    void *object = NULL;
    int file = -1;
    int result = hvemu_device_make(&object, &file);
    if (result < 0) return fail(-result);
    int fd = hvemu_install(HVEMU_DEVICE, object, file, flags);
    if (fd < 0) hvemu_object_end(HVEMU_DEVICE, object);
    errno = saved;
    return answer(fd);
}

int hvemu_openat(int directory, const char *path, int flags, mode_t mode) {
    if (hvemu_names_device(directory, path) && !(flags & O_PATH)) return open_device(flags);
    return real()->openat(directory, path, flags, mode);
}

int hvemu_open(const char *path, int flags, mode_t mode) { return hvemu_openat(AT_FDCWD, path, flags, mode); }

int hvemu_ioctl(int fd, unsigned long request, void *argument) {
    // The kernel looks at 32 bits of it.
    uint32_t number = (uint32_t)request;
    if (_IOC_TYPE(number) != 0xB8) return real()->ioctl(fd, request, argument);
    void *object;
    int kind = object_of(fd, &object);
    if (kind == HVEMU_NONE) return real()->ioctl(fd, request, argument);
    // Partitions and processors are in the process that made them.
    if (!object && kind != HVEMU_DEVICE) return fail(EIO);
    int saved = errno;
    int result = hvemu_object_ioctl(kind, object, number, (uint64_t)(uintptr_t)argument);
    if (object) hvemu_object_release(object);
    errno = saved;
    return answer(result);
}

// MARK: the end of descriptors

int hvemu_close(int fd) {
    dev_t device = 0;
    ino_t inode = 0;
    int ours = kind_of(fd) != HVEMU_NONE && file_of(fd, &device, &inode) == 0;
    int result = real()->close(fd);
    if (ours && result == 0) objects_closed_one(device, inode);
    return result;
}

int hvemu_close_range(unsigned first, unsigned last, int flags) {
    int result = real()->close_range(first, last, flags);
    if (result == 0 && objects_exist()) objects_reap(0);
    return result;
}

int hvemu_dup2(int from, int to) {
    dev_t device = 0;
    ino_t inode = 0;
    int ours = from != to && kind_of(to) != HVEMU_NONE && file_of(to, &device, &inode) == 0;
    int result = real()->dup2(from, to);
    if (ours && result >= 0) objects_closed_one(device, inode);
    return result;
}

int hvemu_dup3(int from, int to, int flags) {
    dev_t device = 0;
    ino_t inode = 0;
    int ours = from != to && kind_of(to) != HVEMU_NONE && file_of(to, &device, &inode) == 0;
    int result = real()->dup3(from, to, flags);
    if (ours && result >= 0) objects_closed_one(device, inode);
    return result;
}

// MARK: mapping

void *hvemu_mmap(void *address, size_t count, int protection, int flags, int fd, off_t offset) {
    if (fd >= 0 && !(flags & MAP_ANONYMOUS) && objects_exist()) {
        int code = 0;
        switch (kind_of(fd)) {
        case HVEMU_NONE: break;
        // The registers and the intercept message; there is no GHCB page without an encrypted partition.
        case HVEMU_VP: code = offset == 0 || offset == 4096 ? 0 : offset == 8192 ? ENODEV : EINVAL; break;
        default: code = ENODEV; break;
        }
        if (code) {
            errno = code;
            return MAP_FAILED;
        }
    }
    return real()->mmap(address, count, protection, flags, fd, offset);
}

int hvemu_munmap(void *address, size_t count) {
    int result = real()->munmap(address, count);
    if (result == 0 && objects_linger()) objects_reap(1);
    return result;
}

// MARK: looking at the device

static void describe(struct stat *status) {
    memset(status, 0, sizeof *status);
    status->st_dev = makedev(0, 5);
    status->st_ino = 1;
    status->st_nlink = 1;
    status->st_mode = S_IFCHR | 0600;
    status->st_rdev = DEVICE_NUMBER;
    status->st_blksize = 4096;
}

int hvemu_fstat(int fd, struct stat *status) {
    int result = real()->fstat(fd, status);
    // A file in memory for the kernel; a program asks whether it is a character device.
    if (result == 0 && objects_exist() && kind_of(fd) == HVEMU_DEVICE) describe(status);
    return result;
}

int hvemu_fstatat(int directory, const char *path, struct stat *status, int flags) {
    if (hvemu_names_device(directory, path)) {
        describe(status);
        return 0;
    }
    int result = real()->fstatat(directory, path, status, flags);
    if (result == 0 && (flags & AT_EMPTY_PATH) && path && !*path && kind_of(directory) == HVEMU_DEVICE) {
        describe(status);
    }
    return result;
}

int hvemu_statx(int directory, const char *path, int flags, unsigned mask, struct statx *status) {
    int by_descriptor = (flags & AT_EMPTY_PATH) && path && !*path && kind_of(directory) == HVEMU_DEVICE;
    if (!by_descriptor && !hvemu_names_device(directory, path)) {
        return real()->statx(directory, path, flags, mask, status);
    }
    memset(status, 0, sizeof *status);
    status->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO | STATX_SIZE;
    status->stx_blksize = 4096;
    status->stx_nlink = 1;
    status->stx_ino = 1;
    status->stx_mode = S_IFCHR | 0600;
    status->stx_rdev_major = major(DEVICE_NUMBER);
    status->stx_rdev_minor = minor(DEVICE_NUMBER);
    status->stx_dev_minor = 5;
    return 0;
}

int hvemu_faccessat(int directory, const char *path, int mode, int flags) {
    if (!hvemu_names_device(directory, path)) return real()->faccessat(directory, path, mode, flags);
    return mode & X_OK ? fail(EACCES) : 0;
}
