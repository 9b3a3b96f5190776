#include "CDemoGuest.h"

// The bounds of DemoGuest.S.
extern const unsigned char hv_demo_guest_start[];
extern const unsigned char hv_demo_guest_end[];

const void *hv_demo_guest_bytes(void) { return hv_demo_guest_start; }
size_t hv_demo_guest_size(void) { return (size_t)(hv_demo_guest_end - hv_demo_guest_start); }
