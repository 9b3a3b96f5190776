// What Swift cannot import from Linux's headers: variadic functions, function-like macros, and atomics on
// shared memory. Nothing here has behaviour of its own.
#pragma once
// _GNU_SOURCE stays undefined: with it Glibc's types differ from those of Swift's own Glibc module.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "CKvm.h"
#include "CCpuid.h"
#include "CRunKick.h"
#include "CWorker.h"
#include "CStateLock.h"
#include "CMemoryFile.h"
#include "CGuestAccess.h"
#include "CFileCopy.h"
#include "CTap.h"
#include "CVhost.h"
#include "CPlacement.h"

static inline int hv_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
static inline int hv_fcntl_int(int fd, int command, int value) { return fcntl(fd, command, value); }
static inline int hv_ioctl_int(int fd, unsigned long request, unsigned long value) { return ioctl(fd, request, value); }
static inline int hv_ioctl_pointer(int fd, unsigned long request, void *value) { return ioctl(fd, request, value); }
static inline int hv_accept(int fd) {
    return (int)syscall(SYS_accept4, fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
static inline void hv_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
static inline int hv_gettid(void) { return (int)syscall(SYS_gettid); }
static inline int hv_tgkill(int process, int thread, int signal) {
    return (int)syscall(SYS_tgkill, process, thread, signal);
}
static inline int hv_pidfd_open(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }
static inline int hv_pidfd_send_signal(int fd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, fd, signal, 0, 0);
}
static inline void *hv_map_failed(void) { return MAP_FAILED; }

// Counters in memory that two processes share: one writer or many, any reader, no torn values.
static inline void hv_atomic_add_u64(void *at, uint64_t value) {
    __atomic_fetch_add((uint64_t *)at, value, __ATOMIC_RELAXED);
}
static inline void hv_atomic_store_u64(void *at, uint64_t value) {
    __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}
static inline uint64_t hv_atomic_load_u64(const void *at) {
    return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
}
