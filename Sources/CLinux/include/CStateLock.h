// flock and its struct share a name, which Swift resolves only sometimes.
#pragma once
#include <sys/file.h>

static inline int hv_state_flock(int fd, int operation) { return flock(fd, operation); }
