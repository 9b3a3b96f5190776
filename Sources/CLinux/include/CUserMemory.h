// Memory that may not be there, copied by the kernel, which says so instead of ending the process.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// All arguments have the full width: the sixth is passed in memory.
// The number of bytes copied, fewer where memory ends; -1 with errno.
static inline ssize_t hv_copy_from_program(void *to, uint64_t from, size_t count) {
    struct iovec ours = {to, count}, theirs = {(void *)(uintptr_t)from, count};
    return syscall(SYS_process_vm_readv, getpid(), &ours, 1ul, &theirs, 1ul, 0ul);
}
static inline ssize_t hv_copy_to_program(uint64_t to, const void *from, size_t count) {
    struct iovec ours = {(void *)(uintptr_t)from, count}, theirs = {(void *)(uintptr_t)to, count};
    return syscall(SYS_process_vm_writev, getpid(), &ours, 1ul, &theirs, 1ul, 0ul);
}

// A file in memory of that many bytes, which nobody can make shorter or longer.
int hv_memory_file(const char *name, size_t count);
