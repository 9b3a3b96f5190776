// The project's own small guest: a flat image in the program's read-only data.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The guest physical address of the image's first byte, which is also its entry point.
//
// Entry: 64-bit long mode, the first 4 GiB mapped one to one, interrupts off, RBX = physical address of a
// struct hvm_start_info (Xen's PVH boot protocol). RSP and the descriptor tables may be anything. The guest uses the
// 512 KiB from here, and the page at 0x8000 for the start of other processors.
static const uint64_t HV_DEMO_GUEST_LOAD_ADDRESS = 0x200000;
// The memory that must be there from the load address on, in bytes.
static const uint64_t HV_DEMO_GUEST_MEMORY_SIZE = 0x80000;

// The image's first byte; it lives as long as the program.
const void *hv_demo_guest_bytes(void);
// The image's length in bytes, less than 64 KiB.
size_t hv_demo_guest_size(void);
