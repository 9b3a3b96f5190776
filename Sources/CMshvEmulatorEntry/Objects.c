#define _GNU_SOURCE
#include "Objects.h"
#include "CMshvEmulatorEntry.h"
#include "RealCalls.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
    dev_t device;
    ino_t inode;
    int kind;
    // Null where it belongs to the process that this one was forked from.
    void *object;
    int file;
    // A descriptor of it was closed and it is still open: by another one, or by a mapping, which ends with `munmap`.
    int lingers;
};

// Touched with `lock` held, and with all signals blocked, because a handler may close descriptors as well.
static struct {
    struct entry *entries;
    size_t count, capacity;
} table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t everything;

// Copies that are read without the lock.
static int existing;
static int lingering;

static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;
static void *state;

static void enter(sigset_t *before) {
    pthread_sigmask(SIG_BLOCK, &everything, before);
    pthread_mutex_lock(&lock);
}

static void leave(const sigset_t *before) {
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void hvemu_state_lock(void) { pthread_mutex_lock(&state_lock); }
void hvemu_state_unlock(void) { pthread_mutex_unlock(&state_lock); }
void *hvemu_state(void) { return state; }
void hvemu_set_state(void *new) { state = new; }

// MARK: fork

static sigset_t mask_at_fork;

static void before_fork(void) {
    pthread_mutex_lock(&state_lock);
    sigset_t before;
    enter(&before);
    mask_at_fork = before;
}

static void after_fork_in_parent(void) {
    sigset_t before = mask_at_fork;
    leave(&before);
    pthread_mutex_unlock(&state_lock);
}

// The child has the descriptors, and none of the threads. What the parent's objects are made of (memory, vCPUs, locks
// that another thread may have held) is of no use here: they are known and refused, never touched.
static void after_fork_in_child(void) {
    pthread_mutex_init(&lock, NULL);
    pthread_mutex_init(&state_lock, NULL);
    state = NULL;
    for (size_t index = 0; index < table.count; index++) table.entries[index].object = NULL;
    pthread_sigmask(SIG_SETMASK, &mask_at_fork, NULL);
}

__attribute__((constructor)) static void prepare(void) {
    sigfillset(&everything);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

// MARK: the table

int objects_exist(void) { return __atomic_load_n(&existing, __ATOMIC_ACQUIRE) != 0; }
int objects_linger(void) { return __atomic_load_n(&lingering, __ATOMIC_ACQUIRE) != 0; }

static struct entry *find(dev_t device, ino_t inode) {
    for (size_t index = 0; index < table.count; index++) {
        struct entry *entry = &table.entries[index];
        if (entry->inode == inode && entry->device == device) return entry;
    }
    return NULL;
}

int object_of(int fd, void **object) {
    dev_t device;
    ino_t inode;
    *object = NULL;
    if (!objects_exist() || file_of(fd, &device, &inode) != 0) return HVEMU_NONE;
    sigset_t before;
    enter(&before);
    struct entry *entry = find(device, inode);
    int kind = entry ? entry->kind : HVEMU_NONE;
    if (entry && entry->object) {
        *object = entry->object;
        hvemu_object_retain(entry->object);
    }
    leave(&before);
    return kind;
}

int kind_of(int fd) {
    dev_t device;
    ino_t inode;
    if (!objects_exist() || file_of(fd, &device, &inode) != 0) return HVEMU_NONE;
    sigset_t before;
    enter(&before);
    struct entry *entry = find(device, inode);
    int kind = entry ? entry->kind : HVEMU_NONE;
    leave(&before);
    return kind;
}

static int add(struct entry new) {
    if (table.count == table.capacity) {
        size_t capacity = table.capacity ? table.capacity * 2 : 16;
        struct entry *entries = realloc(table.entries, capacity * sizeof *entries);
        if (!entries) return -ENOMEM;
        table.entries = entries;
        table.capacity = capacity;
    }
    table.entries[table.count++] = new;
    __atomic_store_n(&existing, 1, __ATOMIC_RELEASE);
    return 0;
}

static void drop(size_t index) {
    table.entries[index] = table.entries[--table.count];
    if (table.count == 0) __atomic_store_n(&existing, 0, __ATOMIC_RELEASE);
}

// Whether an open of the object's file, with its lock, is left anywhere.
static int is_open(int file) {
    struct flock question = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (fcntl(file, F_OFD_GETLK, &question) != 0) return 1;
    return question.l_type != F_UNLCK;
}

int hvemu_install(int kind, void *object, int file, int flags) {
    struct entry new = {.kind = kind, .object = object, .file = file};
    if (file_of(file, &new.device, &new.inode) != 0) return -EBADF;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int fd = real()->openat(AT_FDCWD, path, flags & (O_ACCMODE | O_CLOEXEC | O_NONBLOCK));
    // Without /proc there is no second open of a file in memory.
    if (fd < 0) return errno == ENOENT ? -ENODEV : -errno;
    struct flock wish = {.l_type = (flags & O_ACCMODE) == O_WRONLY ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    int result = fcntl(fd, F_OFD_SETLK, &wish) == 0 ? 0 : -errno;
    if (result == 0) {
        sigset_t before;
        enter(&before);
        result = add(new);
        leave(&before);
    }
    if (result != 0) {
        real()->close(fd);
        return result;
    }
    return fd;
}

void objects_reap(int only_lingering) {
    int saved = errno;
    while (objects_exist()) {
        struct entry ended = {.kind = HVEMU_NONE};
        int remaining = 0;
        sigset_t before;
        enter(&before);
        for (size_t index = 0; index < table.count && ended.kind == HVEMU_NONE; index++) {
            struct entry *entry = &table.entries[index];
            // The parent's are the parent's to end.
            if (!entry->object || (only_lingering && !entry->lingers)) continue;
            if (is_open(entry->file)) {
                remaining |= entry->lingers;
            } else {
                ended = *entry;
                drop(index);
            }
        }
        if (ended.kind == HVEMU_NONE) __atomic_store_n(&lingering, remaining, __ATOMIC_RELEASE);
        leave(&before);
        if (ended.kind == HVEMU_NONE) break;
        // Without the lock: it may close descriptors, take long, and end other objects.
        hvemu_object_end(ended.kind, ended.object);
    }
    errno = saved;
}

void objects_closed_one(dev_t device, ino_t inode) {
    sigset_t before;
    enter(&before);
    struct entry *entry = find(device, inode);
    if (entry) {
        entry->lingers = 1;
        __atomic_store_n(&lingering, 1, __ATOMIC_RELEASE);
    }
    leave(&before);
    objects_reap(1);
}
