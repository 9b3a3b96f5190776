#include "CPortLoop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct port_loop {
    int kvm, vm, vcpu;
    struct kvm_run *run;
    size_t run_size;
    void *memory;
    size_t memory_size;
};

static struct kvm_segment segment(uint8_t type) {
    return (struct kvm_segment){.limit = 0xFFFF, .type = type, .present = 1, .s = 1};
}

static int set_up(struct port_loop *loop, const void *code, size_t count) {
    loop->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (loop->kvm < 0) return -1;
    loop->vm = ioctl(loop->kvm, KVM_CREATE_VM, 0);
    if (loop->vm < 0) return -1;
    ioctl(loop->vm, KVM_SET_TSS_ADDR, 0xFFFBD000ul);
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
    if (ioctl(loop->vm, KVM_ENABLE_CAP, &split) < 0) return -1;
    loop->memory = mmap(NULL, loop->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (loop->memory == MAP_FAILED) return -1;
    memcpy((char *)loop->memory + 0x1000, code, count);
    struct kvm_userspace_memory_region region = {
        .memory_size = loop->memory_size, .userspace_addr = (uintptr_t)loop->memory};
    if (ioctl(loop->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) return -1;
    loop->vcpu = ioctl(loop->vm, KVM_CREATE_VCPU, 0);
    if (loop->vcpu < 0) return -1;
    int size = ioctl(loop->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < 0) return -1;
    loop->run_size = (size_t)size;
    loop->run = mmap(NULL, loop->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, loop->vcpu, 0);
    if (loop->run == MAP_FAILED) return -1;
    struct kvm_sregs sregs;
    if (ioctl(loop->vcpu, KVM_GET_SREGS, &sregs) < 0) return -1;
    sregs.cs = segment(11);
    sregs.ds = sregs.es = sregs.ss = segment(3);
    if (ioctl(loop->vcpu, KVM_SET_SREGS, &sregs) < 0) return -1;
    struct kvm_regs regs = {.rip = 0x1000, .rflags = 2};
    return ioctl(loop->vcpu, KVM_SET_REGS, &regs);
}

struct port_loop *port_loop_make(const void *code, size_t count, size_t size) {
    struct port_loop *loop = calloc(1, sizeof *loop);
    if (!loop) return NULL;
    loop->kvm = loop->vm = loop->vcpu = -1;
    loop->run = MAP_FAILED;
    loop->memory = MAP_FAILED;
    loop->memory_size = size;
    if (set_up(loop, code, count) == 0) return loop;
    int code_of_error = errno;
    port_loop_end(loop);
    errno = code_of_error;
    return NULL;
}

int port_loop_run(struct port_loop *loop, size_t exits) {
    while (exits > 0) {
        if (ioctl(loop->vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        if (loop->run->exit_reason != KVM_EXIT_IO) {
            errno = EIO;
            return -1;
        }
        exits--;
    }
    return 0;
}

void port_loop_end(struct port_loop *loop) {
    if (loop->run != MAP_FAILED) munmap(loop->run, loop->run_size);
    if (loop->memory != MAP_FAILED) munmap(loop->memory, loop->memory_size);
    if (loop->vcpu >= 0) close(loop->vcpu);
    if (loop->vm >= 0) close(loop->vm);
    if (loop->kvm >= 0) close(loop->kvm);
    free(loop);
}
