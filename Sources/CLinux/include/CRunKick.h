// Ending a system call that runs a virtual processor and has no flag of its own for that (as KVM's immediate_exit is
// one): a signal whose handler comes again until the thread is out. A signal that arrives just before the call would be
// lost otherwise.
#pragma once
#include <signal.h>
#include <stdint.h>

// SIGRTMIN+2: KVM's engine has SIGRTMIN+1, and both may live in one process.
static inline int hv_run_kick_signal(void) { return SIGRTMIN + 2; }
// Once per process, before the first thread is prepared. 0, or -1 with errno.
int hv_run_kick_install(void);
// The calling thread's id, with the signal unblocked in it and a timer that repeats it; few system calls per thread.
int hv_run_kick_prepare_thread(void);
// From now on, until hv_run_kick_leave, the calling thread is in (or about to enter) the call that `wanted` ends.
void hv_run_kick_enter(const int32_t *wanted);
void hv_run_kick_leave(void);

static inline void hv_run_kick_want(int32_t *wanted, int32_t value) {
    __atomic_store_n(wanted, value, __ATOMIC_SEQ_CST);
}
static inline int32_t hv_run_kick_is_wanted(const int32_t *wanted) {
    return __atomic_load_n(wanted, __ATOMIC_SEQ_CST);
}
