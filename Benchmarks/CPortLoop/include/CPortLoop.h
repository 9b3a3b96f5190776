// The least that a program on /dev/kvm does for one port access, in C: what our loop is measured against.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct port_loop;

// A VM with one processor, an interrupt controller as ours has it, and `code` at 0x1000 of `size` bytes of memory, in
// real mode. NULL with errno where /dev/kvm or the host refuses.
struct port_loop *port_loop_make(const void *code, size_t count, size_t size);
// Runs until so many port accesses have exited; 0, or -1 with errno for anything else.
int port_loop_run(struct port_loop *loop, size_t exits);
void port_loop_end(struct port_loop *loop);
