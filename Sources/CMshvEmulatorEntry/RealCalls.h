// The C library's own functions, behind whoever took them over.
#pragma once
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>

struct statx;

struct real_calls {
    int (*openat)(int, const char *, int, ...);
    int (*ioctl)(int, unsigned long, ...);
    int (*close)(int);
    int (*close_range)(unsigned, unsigned, int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
    int (*fstat)(int, struct stat *);
    int (*fstatat)(int, const char *, struct stat *, int);
    int (*statx)(int, const char *, int, unsigned, struct statx *);
    int (*faccessat)(int, const char *, int, int);
};

// Found on the first use, or before the program's first line where the library was preloaded.
const struct real_calls *real(void);

// Device and inode number of an open file, by the kernel's own call; 0 where `fd` is open.
int file_of(int fd, dev_t *device, ino_t *inode);
