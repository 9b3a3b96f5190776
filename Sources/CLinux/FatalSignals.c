#include "CWorker.h"

// Only async-signal-safe calls: the process may be in any state.
static void report(int number) {
    char line[] = "fatal signal 00\n";
    line[13] = (char)('0' + number / 10 % 10);
    line[14] = (char)('0' + number % 10);
    if (write(2, line, sizeof line - 1) < 0) { /* nobody left to tell */ }
    signal(number, SIG_DFL);
    raise(number);
}

void hv_report_fatal_signals(void) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    // A stack overflow of the main thread must still find a stack to report on.
    static char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_handler = report, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, 0);
}
