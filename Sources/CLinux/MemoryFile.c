#define _GNU_SOURCE
#include "CMemoryFile.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int hv_memory_file(const char *name, size_t count) {
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -1;
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (count == 0 ? F_SEAL_WRITE : 0);
    if (ftruncate(file, (off_t)count) != 0 || fcntl(file, F_ADD_SEALS, seals) != 0) {
        int code = errno;
        close(file);
        errno = code;
        return -1;
    }
    return file;
}
