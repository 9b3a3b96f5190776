// What the worker processes and their launcher need of the kernel beyond CLinux.h: epoll with plain words for its data,
// the peer of a Unix socket, the exit of a process that is not a child, spawn attributes.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct hv_ready {
    uint64_t token;
    uint32_t events;
};

static inline int hv_epoll_make(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int hv_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event);
}

static inline int hv_epoll_wait(int epoll, struct hv_ready *ready, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, capacity > 64 ? 64 : capacity, milliseconds);
    for (int i = 0; i < count; i++) {
        ready[i].token = events[i].data.u64;
        ready[i].events = events[i].events;
    }
    return count;
}

// struct ucred, which the headers show only with _GNU_SOURCE.
struct hv_peer {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};
_Static_assert(sizeof(struct hv_peer) == 12, "struct ucred");

static inline int hv_socket_peer(int fd, struct hv_peer *peer) {
    socklen_t length = sizeof *peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &length);
}

// AF_UNIX address of a path; the length of sun_path is the caller's to check.
static inline int hv_unix_address(struct sockaddr_un *address, const char *path, size_t length) {
    if (length >= sizeof address->sun_path) { errno = ENAMETOOLONG; return -1; }
    address->sun_family = AF_UNIX;
    for (size_t i = 0; i < length; i++) address->sun_path[i] = path[i];
    address->sun_path[length] = 0;
    return (int)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}
static inline int hv_unix_bind(int fd, const char *path, size_t length) {
    struct sockaddr_un address;
    int size = hv_unix_address(&address, path, length);
    return size < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, (socklen_t)size);
}
static inline int hv_unix_connect(int fd, const char *path, size_t length) {
    struct sockaddr_un address;
    int size = hv_unix_address(&address, path, length);
    return size < 0 ? -1 : connect(fd, (const struct sockaddr *)&address, (socklen_t)size);
}
static inline int hv_unix_socket(void) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// Linux 6.15 tells how a process ended to any holder of its pidfd once it has been reaped; older headers lack it.
struct hv_pidfd_info {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
_Static_assert(sizeof(struct hv_pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");
enum { hv_pidfd_info_exit = 1 << 3 };

// Returns 0 and the wait status, or -1 where the kernel does not (yet) tell.
static inline int hv_pidfd_exit_status(int fd, int *status) {
    struct hv_pidfd_info info = {.mask = hv_pidfd_info_exit};
    if (ioctl(fd, _IOWR(0xFF, 11, struct hv_pidfd_info), &info) != 0) return -1;
    if (!(info.mask & hv_pidfd_info_exit)) { errno = EAGAIN; return -1; }
    *status = info.exit_code;
    return 0;
}

// The wait status' macros.
static inline int hv_exited(int status) { return WIFEXITED(status); }
static inline int hv_exit_code(int status) { return WEXITSTATUS(status); }
static inline int hv_signalled(int status) { return WIFSIGNALED(status); }
static inline int hv_term_signal(int status) { return WTERMSIG(status); }

// POSIX_SPAWN_SETSID, which the headers show only with _GNU_SOURCE.
static inline short hv_spawn_flags(void) { return 0x80 | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF; }

static inline int hv_close_from(unsigned first) { return (int)syscall(SYS_close_range, first, ~0u, 0); }
static inline int hv_prctl(int option, unsigned long value) { return prctl(option, value, 0, 0, 0); }
static inline int hv_process_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

// Keeps stores before and after it in order, for records that another process reads without a lock.
static inline void hv_fence(void) { __atomic_thread_fence(__ATOMIC_ACQ_REL); }

// From now on a fatal signal (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS) writes the line
// "fatal signal N" to standard error before it ends the process.
void hv_report_fatal_signals(void);
static inline int hv_socket_pair(int *pair) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair); }
enum { hv_signalfd_flags = SFD_CLOEXEC | SFD_NONBLOCK, hv_message_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
// Sets a signal to be ignored.
static inline void hv_ignore_signal(int number) { signal(number, SIG_IGN); }
