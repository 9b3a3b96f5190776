// Guest memory from outside the guest: copies that fail where a touch would end the process, accessed and dirty bits of
// page tables, and KVM's log of written pages.
#pragma once
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Copies by the kernel, which finds out what is mapped as it goes: whole or not at all counts. 0, or an errno.
static inline int hv_copy_own_memory(int out, uint64_t address, void *buffer, size_t count) {
    struct iovec local = { buffer, count };
    struct iovec remote = { (void *)(uintptr_t)address, count };
    long done = syscall(out ? SYS_process_vm_writev : SYS_process_vm_readv, (long)getpid(), &local, 1L, &remote, 1L, 0L);
    if (done == (long)count) return 0;
    return done < 0 ? errno : EFAULT;
}

// Sets bits of a byte that processors of a guest may be changing too. MADV_POPULATE_WRITE (Linux 5.14) makes the page
// writable or says that it can't be. `before` is the byte as it was. 0, or an errno.
static inline int hv_set_bits_of_own_byte(uint64_t address, uint8_t bits, uint8_t *before) {
    uintptr_t page = (uintptr_t)address & ~(uintptr_t)4095;
    if (madvise((void *)page, 4096, 23 /* MADV_POPULATE_WRITE */) != 0) return errno;
    *before = __atomic_fetch_or((uint8_t *)(uintptr_t)address, bits, __ATOMIC_SEQ_CST);
    return 0;
}

static const unsigned long HV_KVM_GET_DIRTY_LOG = KVM_GET_DIRTY_LOG;
static const uint32_t HV_KVM_MEM_LOG_DIRTY_PAGES = KVM_MEM_LOG_DIRTY_PAGES;
_Static_assert(sizeof(struct kvm_dirty_log) == 16, "kvm_dirty_log");
// The bitmap has a bit for each of the slot's pages, in 64-bit words; the caller has that much room. 0, or an errno.
static inline int hv_kvm_get_dirty_log(int machine, uint32_t slot, uint64_t *bitmap) {
    struct kvm_dirty_log log = { .slot = slot, .padding1 = 0 };
    log.dirty_bitmap = bitmap;
    return ioctl(machine, HV_KVM_GET_DIRTY_LOG, &log) < 0 ? errno : 0;
}
