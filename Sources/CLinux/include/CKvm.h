// KVM for Swift: request numbers (function-like macros there), the arrays behind flexible members, the fields of
// struct kvm_run's union, and the signal that takes a thread out of KVM_RUN.
#pragma once
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Layouts this project relies on (x86-64 ABI of Linux; they never change).
_Static_assert(sizeof(struct kvm_userspace_memory_region) == 32, "kvm_userspace_memory_region");
_Static_assert(sizeof(struct kvm_regs) == 144, "kvm_regs");
_Static_assert(sizeof(struct kvm_sregs) == 312, "kvm_sregs");
_Static_assert(sizeof(struct kvm_segment) == 24, "kvm_segment");
_Static_assert(sizeof(struct kvm_debugregs) == 128, "kvm_debugregs");
_Static_assert(sizeof(struct kvm_fpu) == 416 && offsetof(struct kvm_fpu, fcw) == 128, "kvm_fpu");
_Static_assert(offsetof(struct kvm_fpu, last_dp) == 144 && offsetof(struct kvm_fpu, xmm) == 152, "kvm_fpu");
_Static_assert(sizeof(struct kvm_vcpu_events) == 64, "kvm_vcpu_events");
_Static_assert(sizeof(struct kvm_lapic_state) == 1024, "kvm_lapic_state");
_Static_assert(sizeof(struct kvm_xsave) == 4096, "kvm_xsave");
_Static_assert(sizeof(struct kvm_msr_entry) == 16, "kvm_msr_entry");
_Static_assert(sizeof(struct kvm_cpuid_entry2) == 40, "kvm_cpuid_entry2");
_Static_assert(sizeof(struct kvm_irq_routing_entry) == 48, "kvm_irq_routing_entry");
_Static_assert(sizeof(struct kvm_msi) == 32, "kvm_msi");
_Static_assert(offsetof(struct kvm_run, immediate_exit) == 1, "kvm_run.immediate_exit");
_Static_assert(offsetof(struct kvm_run, exit_reason) == 8, "kvm_run.exit_reason");
_Static_assert(offsetof(struct kvm_run, io) == 32, "kvm_run.io");

static const unsigned long HV_KVM_GET_API_VERSION = KVM_GET_API_VERSION;
static const unsigned long HV_KVM_CREATE_VM = KVM_CREATE_VM;
static const unsigned long HV_KVM_CHECK_EXTENSION = KVM_CHECK_EXTENSION;
static const unsigned long HV_KVM_GET_VCPU_MMAP_SIZE = KVM_GET_VCPU_MMAP_SIZE;
static const unsigned long HV_KVM_GET_SUPPORTED_CPUID = KVM_GET_SUPPORTED_CPUID;
static const unsigned long HV_KVM_ENABLE_CAP = KVM_ENABLE_CAP;
static const unsigned long HV_KVM_SET_USER_MEMORY_REGION = KVM_SET_USER_MEMORY_REGION;
static const unsigned long HV_KVM_SET_TSS_ADDR = KVM_SET_TSS_ADDR;
static const unsigned long HV_KVM_SET_IDENTITY_MAP_ADDR = KVM_SET_IDENTITY_MAP_ADDR;
static const unsigned long HV_KVM_CREATE_VCPU = KVM_CREATE_VCPU;
static const unsigned long HV_KVM_SET_GSI_ROUTING = KVM_SET_GSI_ROUTING;
static const unsigned long HV_KVM_SIGNAL_MSI = KVM_SIGNAL_MSI;
static const unsigned long HV_KVM_IRQFD = KVM_IRQFD;
static const unsigned long HV_KVM_IOEVENTFD = KVM_IOEVENTFD;
static const unsigned HV_KVM_IOEVENTFD_DATAMATCH = KVM_IOEVENTFD_FLAG_DATAMATCH;
static const unsigned HV_KVM_IOEVENTFD_DEASSIGN = KVM_IOEVENTFD_FLAG_DEASSIGN;
static const unsigned long HV_KVM_RUN = KVM_RUN;
static const unsigned long HV_KVM_GET_REGS = KVM_GET_REGS;
static const unsigned long HV_KVM_SET_REGS = KVM_SET_REGS;
static const unsigned long HV_KVM_GET_FPU = KVM_GET_FPU;
static const unsigned long HV_KVM_SET_FPU = KVM_SET_FPU;
static const unsigned long HV_KVM_GET_SREGS = KVM_GET_SREGS;
static const unsigned long HV_KVM_SET_SREGS = KVM_SET_SREGS;
static const unsigned long HV_KVM_GET_MSRS = KVM_GET_MSRS;
static const unsigned long HV_KVM_SET_MSRS = KVM_SET_MSRS;
static const unsigned long HV_KVM_GET_CPUID2 = KVM_GET_CPUID2;
static const unsigned long HV_KVM_SET_CPUID2 = KVM_SET_CPUID2;
static const unsigned long HV_KVM_GET_MP_STATE = KVM_GET_MP_STATE;
static const unsigned long HV_KVM_SET_MP_STATE = KVM_SET_MP_STATE;
static const unsigned long HV_KVM_GET_DEBUGREGS = KVM_GET_DEBUGREGS;
static const unsigned long HV_KVM_SET_DEBUGREGS = KVM_SET_DEBUGREGS;
static const unsigned long HV_KVM_GET_VCPU_EVENTS = KVM_GET_VCPU_EVENTS;
static const unsigned long HV_KVM_SET_VCPU_EVENTS = KVM_SET_VCPU_EVENTS;
static const unsigned long HV_KVM_GET_LAPIC = KVM_GET_LAPIC;
static const unsigned long HV_KVM_SET_LAPIC = KVM_SET_LAPIC;
static const unsigned long HV_KVM_GET_XSAVE = KVM_GET_XSAVE;
static const unsigned long HV_KVM_GET_XSAVE2 = KVM_GET_XSAVE2;
static const unsigned long HV_KVM_SET_XSAVE = KVM_SET_XSAVE;
static const unsigned long HV_KVM_KVMCLOCK_CTRL = KVM_KVMCLOCK_CTRL;
static const unsigned long HV_KVM_GET_XCRS = KVM_GET_XCRS;
static const unsigned long HV_KVM_SET_XCRS = KVM_SET_XCRS;

// Shifted macros that Swift would not import.
static const uint64_t HV_KVM_X2APIC_API_FLAGS = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK;
static const uint32_t HV_KVM_MEM_READONLY = KVM_MEM_READONLY;
static const uint32_t HV_KVM_CPUID_SIGNIFICANT_INDEX = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;

// A request with its array in one piece: what the flexible array members of kvm.h stand for.
#define HV_KVM_MAX_CPUID 256
#define HV_KVM_MAX_MSRS 64
#define HV_KVM_IOAPIC_PINS 24
struct hv_kvm_cpuid {
    uint32_t nent;
    uint32_t padding;
    struct kvm_cpuid_entry2 entries[HV_KVM_MAX_CPUID];
};
struct hv_kvm_msrs {
    uint32_t nmsrs;
    uint32_t pad;
    struct kvm_msr_entry entries[HV_KVM_MAX_MSRS];
};
_Static_assert(offsetof(struct hv_kvm_cpuid, entries) == sizeof(struct kvm_cpuid2), "kvm_cpuid2");
_Static_assert(offsetof(struct hv_kvm_msrs, entries) == sizeof(struct kvm_msrs), "kvm_msrs");
_Static_assert(sizeof(struct kvm_irq_routing) == 8, "kvm_irq_routing");
_Static_assert(sizeof(struct kvm_irqfd) == 32, "kvm_irqfd");
_Static_assert(sizeof(struct kvm_ioeventfd) == 64, "kvm_ioeventfd");

// The route "this GSI sends this message".
static inline struct kvm_irq_routing_entry hv_kvm_msi_route(uint32_t gsi, uint64_t address, uint32_t data) {
    struct kvm_irq_routing_entry entry;
    memset(&entry, 0, sizeof entry);
    entry.gsi = gsi;
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.u.msi.address_lo = (uint32_t)address;
    entry.u.msi.address_hi = (uint32_t)(address >> 32);
    entry.u.msi.data = data;
    return entry;
}

// The parts of the shared kvm_run page that a run needs, read once after KVM_RUN.
struct hv_kvm_transfer {
    uint64_t address;      // port or guest physical address
    uint32_t element_size; // bytes per element (port), or all bytes (MMIO)
    uint32_t count;        // elements
    uint64_t data_offset;  // of the data, from the page's start
    uint8_t is_write;
};
static inline struct hv_kvm_transfer hv_kvm_run_io(const struct kvm_run *run) {
    struct hv_kvm_transfer transfer = {
        run->io.port, run->io.size, run->io.count, run->io.data_offset, run->io.direction == KVM_EXIT_IO_OUT };
    return transfer;
}
static inline struct hv_kvm_transfer hv_kvm_run_mmio(const struct kvm_run *run) {
    struct hv_kvm_transfer transfer = {
        run->mmio.phys_addr, run->mmio.len, 1, offsetof(struct kvm_run, mmio.data), run->mmio.is_write };
    return transfer;
}
static inline uint32_t hv_kvm_run_exit_reason(const struct kvm_run *run) { return run->exit_reason; }
static inline uint8_t hv_kvm_run_eoi_vector(const struct kvm_run *run) { return run->eoi.vector; }
static inline uint64_t hv_kvm_run_fail_entry_reason(const struct kvm_run *run) {
    return run->fail_entry.hardware_entry_failure_reason;
}
static inline uint32_t hv_kvm_run_suberror(const struct kvm_run *run) { return run->internal.suberror; }
static inline uint32_t hv_kvm_run_system_event(const struct kvm_run *run) { return run->system_event.type; }
// The instruction bytes of a failed emulation (KVM_INTERNAL_ERROR_EMULATION), or 0 bytes where KVM gives none.
static inline uint32_t hv_kvm_run_failed_instruction(const struct kvm_run *run, uint8_t bytes[15]) {
    if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->emulation_failure.ndata < 3
        || !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) return 0;
    uint32_t size = run->emulation_failure.insn_size;
    if (size > 15) size = 15;
    memcpy(bytes, run->emulation_failure.insn_bytes, size);
    return size;
}
// Read by KVM when KVM_RUN is entered; written by other threads while it runs.
static inline void hv_kvm_run_set_immediate_exit(struct kvm_run *run, uint8_t value) {
    __atomic_store_n(&run->immediate_exit, value, __ATOMIC_SEQ_CST);
}

// The signal whose only work is to end KVM_RUN with EINTR. SIGRTMIN+1 leaves SIGUSR1 and SIGUSR2 to programs.
static inline int hv_kvm_kick_signal(void) { return SIGRTMIN + 1; }
void hv_kvm_kicked(int number);
// Whether the kick signal came to the calling thread since this was last asked. A kick may come late, when the run that
// it was for has ended already: who returns at signals has to know that it was none of the program's.
int hv_kvm_take_kick(void);
static inline int hv_kvm_install_kick_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = hv_kvm_kicked; // no SA_RESTART: the system call under way is to return
    return sigaction(hv_kvm_kick_signal(), &action, 0);
}
// The calling thread's id, with the kick signal unblocked in it (threads inherit masks); one system call per thread.
static inline int hv_kvm_prepare_thread(void) {
    static __thread int thread;
    if (thread == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, hv_kvm_kick_signal());
        pthread_sigmask(SIG_UNBLOCK, &set, 0);
        thread = (int)syscall(SYS_gettid);
    }
    return thread;
}
