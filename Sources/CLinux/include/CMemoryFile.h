// Files in memory, which Glibc's headers show only with _GNU_SOURCE.
#pragma once
#include <stddef.h>

// A file in memory of that many bytes, which nobody can make shorter or longer. Its descriptor, or -1 with errno.
int hv_memory_file(const char *name, size_t count);
