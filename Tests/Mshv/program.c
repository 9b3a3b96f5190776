// A program for /dev/mshv as somebody else would write it. One part of it for each first argument (see `parts`).
#define _GNU_SOURCE
#include "CMshv.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: %s: errno %d (%s)\n", __LINE__, #condition, errno, strerror(errno));                      \
            fflush(stdout);                                                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)
// The call fails with that errno.
#define FAILS(code, call) (errno = 0, (call) == -1 && errno == (code))

static int open_device(void) {
    int device = open("/dev/mshv", O_RDWR | O_CLOEXEC);
    NEED(device >= 0);
    return device;
}

static int make_partition(int device) {
    struct mshv_create_partition_v2 argument = {
        .pt_flags = HV_MSHV_PT_LAPIC | HV_MSHV_PT_X2APIC | HV_MSHV_PT_GPA_SUPER_PAGES | HV_MSHV_PT_CPU_AND_XSAVE_FEATURES,
        .pt_num_cpu_fbanks = 2,
    };
    int partition = ioctl(device, HV_MSHV_DEVICE_CREATE_PARTITION, &argument);
    NEED(partition >= 0);
    NEED(ioctl(partition, HV_MSHV_PARTITION_INITIALIZE) == 0);
    return partition;
}

static int make_processor(int partition) {
    struct mshv_create_vp argument = {.vp_index = 0};
    int processor = ioctl(partition, HV_MSHV_PARTITION_CREATE_VP, &argument);
    NEED(processor >= 0);
    return processor;
}

static void *map_memory(int partition, uint64_t page, size_t count) {
    void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED);
    struct mshv_user_mem_region region = {
        .size = count,
        .guest_pfn = page,
        .userspace_addr = (uintptr_t)memory,
        .flags = HV_MSHV_MEM_WRITABLE | HV_MSHV_MEM_EXECUTABLE,
    };
    NEED(ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region) == 0);
    return memory;
}

// One register of processor 0, by MSHV_ROOT_HVCALL.
static void set_register(int processor, uint32_t name, const void *value, size_t size) {
    struct {
        uint64_t partition;
        uint32_t vp;
        uint8_t vtl[4];
        uint32_t name, padding[3];
        uint8_t value[16];
    } input = {.name = name};
    memcpy(input.value, value, size);
    struct mshv_root_hvcall call = {.code = 0x51, .reps = 1, .in_sz = sizeof input, .in_ptr = (uintptr_t)&input};
    NEED(ioctl(processor, HV_MSHV_VP_ROOT_HVCALL, &call) == 0);
    NEED(call.status == 0 && call.reps == 1);
}

static void get_register(int processor, uint32_t name, void *value, size_t size) {
    struct {
        uint64_t partition;
        uint32_t vp;
        uint8_t vtl[4];
        uint32_t name;
    } __attribute__((packed)) input = {.name = name};
    uint8_t output[16];
    struct mshv_root_hvcall call = {
        .code = 0x50,
        .reps = 1,
        .in_sz = sizeof input,
        .out_sz = sizeof output,
        .in_ptr = (uintptr_t)&input,
        .out_ptr = (uintptr_t)output,
    };
    NEED(ioctl(processor, HV_MSHV_VP_ROOT_HVCALL, &call) == 0);
    memcpy(value, output, size);
}

enum { REGISTER_RAX = 0x20000, REGISTER_RIP = 0x20010, REGISTER_RFLAGS = 0x20011, REGISTER_CS = 0x60001 };
enum { MESSAGE_IO_PORT = 0x80010000, MESSAGE_HALT = 0x80010007 };

// Puts code at page 1 and processor 0 there, in real mode.
static int make_guest(int partition, const uint8_t *code, size_t size) {
    int processor = make_processor(partition);
    memcpy(map_memory(partition, 1, 4096), code, size);
    struct hv_x64_segment_register cs;
    get_register(processor, REGISTER_CS, &cs, sizeof cs);
    cs.base = 0;
    cs.selector = 0;
    set_register(processor, REGISTER_CS, &cs, sizeof cs);
    uint64_t rip = 0x1000, flags = 2;
    set_register(processor, REGISTER_RIP, &rip, sizeof rip);
    set_register(processor, REGISTER_RFLAGS, &flags, sizeof flags);
    return processor;
}

// MARK: parts

static void appearance(void) {
    struct stat status;
    int device = open("/dev/mshv", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    NEED(device >= 0);
    NEED(fstat(device, &status) == 0 && S_ISCHR(status.st_mode));
    NEED(stat("/dev/mshv", &status) == 0 && S_ISCHR(status.st_mode));
    NEED(lstat("/dev/mshv", &status) == 0 && S_ISCHR(status.st_mode));
    NEED(access("/dev/mshv", R_OK | W_OK) == 0);
    NEED(FAILS(EACCES, access("/dev/mshv", X_OK)));
    NEED(fcntl(device, F_GETFD) == FD_CLOEXEC);
    NEED((fcntl(device, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_RDONLY | O_NONBLOCK));
    struct statx extended;
    NEED(statx(AT_FDCWD, "/dev/mshv", 0, STATX_TYPE, &extended) == 0 && S_ISCHR(extended.stx_mode));
    // Everything else is as it was.
    NEED(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
    NEED(FAILS(ENOENT, open("/dev/no-such-device", O_RDWR)));
    NEED(FAILS(EBADF, ioctl(-1, HV_MSHV_DEVICE_CREATE_PARTITION, NULL)));
    NEED(FAILS(ENOTTY, ioctl(0, HV_MSHV_DEVICE_CREATE_PARTITION, NULL)));
    NEED(FAILS(ENODEV, (int)(intptr_t)mmap(NULL, 4096, PROT_READ, MAP_SHARED, device, 0)));
    NEED(close(device) == 0 && FAILS(EBADF, close(device)));
}

static void descriptors(void) {
    int device = open_device();
    int partition = make_partition(device);
    int copy = fcntl(partition, F_DUPFD_CLOEXEC, 100);
    NEED(copy >= 100 && close(partition) == 0);
    NEED(ioctl(copy, HV_MSHV_PARTITION_INITIALIZE) == 0);
    // A number that was ours is somebody else's now.
    int other = open("/dev/null", O_RDWR);
    NEED(other == partition && FAILS(ENOTTY, ioctl(other, HV_MSHV_PARTITION_INITIALIZE)));
    NEED(dup2(other, copy) == copy && FAILS(ENOTTY, ioctl(copy, HV_MSHV_PARTITION_INITIALIZE)));
    // Enough of them to find a leak of descriptors.
    for (int round = 0; round < 3000; round++) {
        struct mshv_create_partition argument = {0};
        int made = ioctl(device, HV_MSHV_DEVICE_CREATE_PARTITION, &argument);
        NEED(made >= 0 && made < 64 && close(made) == 0);
    }
    for (int round = 0; round < 30; round++) {
        int made = make_partition(device);
        NEED(made < 64);
        int processor = make_processor(made);
        NEED(close(made) == 0);
        NEED(close(processor) == 0);
    }
    NEED(syscall(SYS_close, device) == 0);
    NEED(open_device() == device);
}

static void forks(void) {
    int device = open_device();
    int partition = make_partition(device);
    int processor = make_processor(partition);
    struct mshv_run_vp message;
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        // What the parent made is the parent's; the device is anybody's.
        NEED(FAILS(EIO, ioctl(partition, HV_MSHV_PARTITION_INITIALIZE)));
        NEED(FAILS(EIO, ioctl(processor, HV_MSHV_VP_RUN, &message)));
        int own = make_partition(device);
        NEED(close(own) == 0 && close(partition) == 0 && close(processor) == 0);
        NEED(make_partition(open_device()) >= 0);
        _exit(0);
    }
    int status;
    NEED(waitpid(child, &status, 0) == child && status == 0);
    NEED(ioctl(partition, HV_MSHV_PARTITION_INITIALIZE) == 0);
    // vfork's child shares our memory and not our descriptors.
    child = vfork();
    if (child == 0) {
        close(partition);
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child && status == 0);
    NEED(ioctl(partition, HV_MSHV_PARTITION_INITIALIZE) == 0);
}

static void passing(void) {
    int partition = make_partition(open_device());
    int pair[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    char byte = 0;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), &partition, sizeof partition);
    NEED(sendmsg(pair[0], &message, 0) == 1);
    // On its way it is open, although no descriptor of it is.
    NEED(close(partition) == 0);
    NEED(recvmsg(pair[1], &message, 0) == 1);
    int received;
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    NEED(ioctl(received, HV_MSHV_PARTITION_INITIALIZE) == 0);
    NEED(close(received) == 0);
}

static void memory(void) {
    int partition = make_partition(open_device());
    size_t count = 8ul << 30;
    void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    NEED(memory != MAP_FAILED);
    struct mshv_user_mem_region region = {
        .size = count, .guest_pfn = 0, .userspace_addr = (uintptr_t)memory, .flags = HV_MSHV_MEM_WRITABLE};
    NEED(ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region) == 0);
    NEED(FAILS(EEXIST, ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region)));
    region.flags = HV_MSHV_MEM_UNMAP;
    NEED(ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region) == 0);
    NEED(FAILS(ENOENT, ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region)));
    NEED(FAILS(EFAULT, ioctl(partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY, (void *)8)));
}

// Prints "hvroot" on port 0x3F8 and halts.
static const uint8_t hello[] = {
    0xBA, 0xF8, 0x03,              // mov dx, 0x3f8
    0xB0, 'h', 0xEE, 0xB0, 'v', 0xEE, 0xB0, 'r', 0xEE, 0xB0, 'o', 0xEE, 0xB0, 'o', 0xEE, 0xB0, 't', 0xEE,
    0xF4,                          // hlt
};

static void guest(void) {
    int processor = make_guest(make_partition(open_device()), hello, sizeof hello);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, processor, HV_MSHV_VP_MMAP_INTERCEPT_MESSAGE);
    NEED(page != MAP_FAILED);
    char output[16] = {0};
    size_t count = 0;
    for (;;) {
        struct hv_message message;
        NEED(ioctl(processor, HV_MSHV_VP_RUN, &message) == 0);
        NEED(memcmp(&message, page, 16) == 0);
        if (message.header.message_type == MESSAGE_HALT) break;
        NEED(message.header.message_type == MESSAGE_IO_PORT);
        const struct hv_x64_io_port_intercept_message *port = (void *)message.u.payload;
        NEED(port->port_number == 0x3F8 && port->access_info.access_size == 1 && !port->access_info.string_op);
        NEED(port->header.intercept_access_type == 1 && count < sizeof output - 1);
        output[count++] = (char)port->rax;
        // The instruction is the root's to step over.
        uint64_t rip = port->header.rip + 1;
        set_register(processor, REGISTER_RIP, &rip, sizeof rip);
    }
    printf("the guest said %s\n", output);
    NEED(strcmp(output, "hvroot") == 0);
}

static const uint8_t forever[] = {0xEB, 0xFE};  // jmp .

static void nothing(int signal) { (void)signal; }

static void interrupted(void) {
    int processor = make_guest(make_partition(open_device()), forever, sizeof forever);
    struct sigaction action = {.sa_handler = nothing};
    NEED(sigaction(SIGALRM, &action, NULL) == 0);
    struct hv_message message;
    for (int round = 0; round < 3; round++) {
        ualarm(50000, 0);
        NEED(FAILS(EINTR, ioctl(processor, HV_MSHV_VP_RUN, &message)));
    }
}

// A loop that does not halt for good: interrupts are enabled, so the halt is KVM's to end, and a signal's.
static const uint8_t idle[] = {0xFB, 0xF4, 0xEB, 0xFC};  // sti; hlt; jmp to the beginning

static void halts(void) {
    struct hv_message message;
    int processor = make_guest(make_partition(open_device()), idle, sizeof idle);
    struct sigaction action = {.sa_handler = nothing};
    NEED(sigaction(SIGALRM, &action, NULL) == 0);
    // Longer than it takes to find a halt.
    ualarm(400000, 0);
    NEED(FAILS(EINTR, ioctl(processor, HV_MSHV_VP_RUN, &message)));
    static const uint8_t dead[] = {0xFA, 0xF4};  // cli; hlt
    int other = make_guest(make_partition(open_device()), dead, sizeof dead);
    for (int round = 0; round < 3; round++) {
        NEED(ioctl(other, HV_MSHV_VP_RUN, &message) == 0 && message.header.message_type == MESSAGE_HALT);
    }
}

// The page on which registers are shown and changed.
static void register_page(void) {
    int processor = make_guest(make_partition(open_device()), hello, sizeof hello);
    struct hv_vp_register_page *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, processor, HV_MSHV_VP_MMAP_REGISTERS);
    NEED(page != MAP_FAILED && page->version == 1 && page->isvalid == 1 && page->dirty == 0);
    NEED(page->rip == 0x1000 && page->rflags == 2 && page->cs.base == 0);
    struct hv_message message;
    NEED(ioctl(processor, HV_MSHV_VP_RUN, &message) == 0 && message.header.message_type == MESSAGE_IO_PORT);
    NEED(page->isvalid && page->rip == 0x1005 && (page->rax & 0xFF) == 'h' && (page->rdx & 0xFFFF) == 0x3F8);
    // Only what is marked is taken over.
    page->rip = 0x1000 + sizeof hello - 1;
    page->rax = 0x77;
    page->dirty = 1 << HV_X64_REGISTER_CLASS_IP;
    uint64_t value;
    get_register(processor, REGISTER_RIP, &value, sizeof value);
    NEED(value == 0x1000 + sizeof hello - 1 && page->dirty == 0);
    get_register(processor, REGISTER_RAX, &value, sizeof value);
    NEED((value & 0xFF) == 'h');
    value = 0x1234;
    set_register(processor, REGISTER_RAX, &value, sizeof value);
    NEED(page->isvalid && page->rax == 0x1234);
    NEED(ioctl(processor, HV_MSHV_VP_RUN, &message) == 0 && message.header.message_type == MESSAGE_HALT);
    NEED(page->isvalid && page->rax == 0x1234);
}

// MSHV_GET_VP_STATE and MSHV_SET_VP_STATE of each component.
static void states(void) {
    int processor = make_guest(make_partition(open_device()), hello, sizeof hello);
    uint8_t *buffer = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(buffer != MAP_FAILED);
    uint8_t *again = buffer + 4096;
    for (uint8_t type = 0; type <= MSHV_VP_STATE_SYNTHETIC_TIMERS; type++) {
        memset(buffer, 0xEE, 2 * 4096);
        struct mshv_get_set_vp_state state = {.type = type, .buf_sz = 4096, .buf_ptr = (uintptr_t)buffer};
        NEED(ioctl(processor, HV_MSHV_VP_GET_STATE, &state) == 0 && state.buf_sz == 4096);
        NEED(ioctl(processor, HV_MSHV_VP_SET_STATE, &state) == 0);
        state.buf_ptr = (uintptr_t)again;
        NEED(ioctl(processor, HV_MSHV_VP_GET_STATE, &state) == 0);
        NEED(memcmp(buffer, again, 4096) == 0);
    }
    // The local APIC: enabled by the spurious vector register, and a mistake in XSAVE's header.
    struct mshv_get_set_vp_state state = {.type = MSHV_VP_STATE_LAPIC, .buf_sz = 4096, .buf_ptr = (uintptr_t)buffer};
    NEED(ioctl(processor, HV_MSHV_VP_GET_STATE, &state) == 0);
    ((struct hv_local_interrupt_controller_state *)buffer)->apic_spurious = 0x1FE;
    NEED(ioctl(processor, HV_MSHV_VP_SET_STATE, &state) == 0);
    memset(buffer, 0, 4096);
    NEED(ioctl(processor, HV_MSHV_VP_GET_STATE, &state) == 0);
    NEED(((struct hv_local_interrupt_controller_state *)buffer)->apic_spurious == 0x1FE);
    state.type = MSHV_VP_STATE_XSAVE;
    NEED(ioctl(processor, HV_MSHV_VP_GET_STATE, &state) == 0);
    buffer[575] = 1;
    NEED(FAILS(EINVAL, ioctl(processor, HV_MSHV_VP_SET_STATE, &state)));
}

static void *run_guest(void *unused) {
    (void)unused;
    guest();
    return NULL;
}

static void two_threads(void) {
    pthread_t threads[2];
    for (int index = 0; index < 2; index++) NEED(pthread_create(&threads[index], NULL, run_guest, NULL) == 0);
    for (int index = 0; index < 2; index++) NEED(pthread_join(threads[index], NULL) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"appearance", appearance}, {"descriptors", descriptors}, {"forks", forks},
    {"passing", passing},       {"memory", memory},           {"guest", guest},
    {"interrupted", interrupted}, {"two-threads", two_threads}, {"halts", halts},
    {"register-page", register_page}, {"states", states},
};

int main(int count, char **arguments) {
    for (size_t index = 0; count > 1 && index < sizeof parts / sizeof *parts; index++) {
        if (strcmp(parts[index].name, arguments[1]) != 0) continue;
        parts[index].run();
        return 0;
    }
    printf("which part?\n");
    return 2;
}
