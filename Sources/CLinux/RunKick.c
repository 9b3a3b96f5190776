#define _GNU_SOURCE
#include "CRunKick.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The thread's own: written by it alone, read by its signal handler.
static __thread const int32_t *volatile current_wanted;
static __thread volatile int timer_is_armed;
static __thread int has_timer;
static __thread timer_t repeater;
static __thread int thread_id;

static pthread_key_t timer_owner;
static pthread_once_t timer_owner_once = PTHREAD_ONCE_INIT;

static void delete_timer(void *unused) {
    (void)unused;
    if (has_timer) timer_delete(repeater);
    has_timer = 0;
}
static void make_timer_owner(void) { pthread_key_create(&timer_owner, delete_timer); }

static void set_timer(long nanoseconds) {
    struct itimerspec when;
    memset(&when, 0, sizeof when);
    when.it_value.tv_nsec = nanoseconds;
    timer_settime(repeater, 0, &when, 0); // async-signal-safe
}

// The signal may have come in the last instructions before the call, which then goes on sleeping: come again in a
// moment, until the thread has left. Directly raised again it would be delivered before that instruction for ever.
static void kicked(int number) {
    (void)number;
    int saved = errno;
    const int32_t *wanted = current_wanted;
    if (wanted && has_timer && hv_run_kick_is_wanted(wanted)) {
        timer_is_armed = 1;
        set_timer(200 * 1000);
    }
    errno = saved;
}

int hv_run_kick_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = kicked; // no SA_RESTART: the system call under way is to return
    return sigaction(hv_run_kick_signal(), &action, 0);
}

int hv_run_kick_prepare_thread(void) {
    if (thread_id == 0) {
        int number = (int)syscall(SYS_gettid);
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = hv_run_kick_signal();
        event._sigev_un._tid = number;
        has_timer = timer_create(CLOCK_MONOTONIC, &event, &repeater) == 0;
        pthread_once(&timer_owner_once, make_timer_owner);
        // Any value but null makes the key's destructor run at the thread's end.
        if (has_timer) pthread_setspecific(timer_owner, (void *)&timer_owner);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, hv_run_kick_signal());
        pthread_sigmask(SIG_UNBLOCK, &set, 0);
        thread_id = number;
    }
    return thread_id;
}

void hv_run_kick_enter(const int32_t *wanted) {
    current_wanted = wanted;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void hv_run_kick_leave(void) {
    current_wanted = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (timer_is_armed) {
        timer_is_armed = 0;
        set_timer(0);
    }
}
