#include "CKvm.h"

static __thread volatile sig_atomic_t kicked;

void hv_kvm_kicked(int number) {
    (void)number;
    kicked = 1;
}

int hv_kvm_take_kick(void) {
    int result = kicked;
    kicked = 0;
    return result;
}
