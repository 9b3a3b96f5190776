// What the preloaded library does in place of the C library's calls. Nothing here has the C library's names: a program
// that links this is not changed by it. CMshvEmulatorPreload gives the names to the library that is preloaded.
//
// How a descriptor is known as ours. Each object of the emulator (the opened device, a partition, a virtual processor)
// has a file in memory of its own (memfd), and a descriptor that a program gets is an open of that file. So device and
// inode number tell the object, however the program got the descriptor: by `dup`, `fcntl`, or through a socket. There
// is no table of descriptor numbers that could be out of date.
//
// How the end of the last descriptor is known. The program's open of the file holds a lock of its open file description
// (F_OFD_SETLK). The kernel gives it back when the last descriptor and the last mapping of it are gone, in every
// process. After each call that may have ended one, the emulator asks whether the lock is still held.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct statx;

// What a descriptor stands for.
enum {
    HVEMU_NONE = 0,
    HVEMU_DEVICE = 1,
    HVEMU_PARTITION = 2,
    HVEMU_VP = 3,
    HVEMU_VFIO = 4,
};

// The functions in place of the C library's, with its results and errno. Those with `real` take over only what is ours.
int hvemu_open(const char *path, int flags, mode_t mode);
int hvemu_openat(int directory, const char *path, int flags, mode_t mode);
int hvemu_ioctl(int fd, unsigned long request, void *argument);
int hvemu_close(int fd);
int hvemu_close_range(unsigned first, unsigned last, int flags);
int hvemu_dup2(int from, int to);
int hvemu_dup3(int from, int to, int flags);
void *hvemu_mmap(void *address, size_t count, int protection, int flags, int fd, off_t offset);
int hvemu_munmap(void *address, size_t count);
int hvemu_fstat(int fd, struct stat *status);
int hvemu_fstatat(int directory, const char *path, struct stat *status, int flags);
int hvemu_statx(int directory, const char *path, int flags, unsigned mask, struct statx *status);
int hvemu_faccessat(int directory, const char *path, int mode, int flags);

// Whether a path, from a directory's descriptor, names the device.
int hvemu_names_device(int directory, const char *path);

// For Swift: makes a descriptor of an object. `file` is the object's own memfd, which stays the caller's until
// `hvemu_object_end` is called for the object, and stays open that long. Flags: O_ACCMODE, O_CLOEXEC, O_NONBLOCK.
// Returns the descriptor or a negative errno; the object is known from then on.
int hvemu_install(int kind, void *object, int file, int flags);

// For Swift: a pointer of the process, made anew after a fork, and the lock around making it.
void hvemu_state_lock(void);
void hvemu_state_unlock(void);
void *hvemu_state(void);
void hvemu_set_state(void *state);

// In Swift (MshvEmulatorEntry).

// Makes the object of an opened device. On success stores it and its memfd, and returns 0; else a negative errno.
int hvemu_device_make(void **object, int *file);
// Answers a request; returns the ioctl's result or a negative errno. The object lives as long as the call.
int hvemu_object_ioctl(int kind, void *object, uint32_t request, uint64_t argument);
void hvemu_object_retain(void *object);
void hvemu_object_release(void *object);
// The last descriptor is gone: ends what the program had of it, and gives up the reference that `hvemu_install` got.
void hvemu_object_end(int kind, void *object);
