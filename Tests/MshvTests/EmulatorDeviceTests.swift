import CMshv
import CMshvEmulatorEntry
import Glibc
import HypercallABI
import LinuxSystem
import Testing

@Suite("The emulated /dev/mshv", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorDeviceTests {
    @Test("opens as a character device, and only as what it is")
    func opens() throws {
        let device = try EmulatorDescriptor.device(O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        #expect(hvemu_fstat(device.raw, &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFCHR)
        #expect(hvemu_fstatat(AT_FDCWD, "/dev/mshv", &status, 0) == 0)
        #expect(status.st_mode & S_IFMT == S_IFCHR)
        #expect(hvemu_faccessat(AT_FDCWD, "/dev/mshv", R_OK | W_OK, 0) == 0)
        #expect(code { () throws(Errno) in _ = try EmulatorDescriptor.device(O_RDWR | O_DIRECTORY) } == ENOTDIR)
        #expect(code { () throws(Errno) in _ = try EmulatorDescriptor.device(O_RDWR | O_CREAT | O_EXCL) } == EEXIST)
        #expect(hvemu_open("/dev/mshv-not", O_RDWR, 0) == -1)
    }

    @Test("is named by its path, and from /dev")
    func names() throws {
        #expect(hvemu_names_device(AT_FDCWD, "/dev/mshv") == 1)
        #expect(hvemu_names_device(AT_FDCWD, "mshv") == 0)
        #expect(hvemu_names_device(AT_FDCWD, nil) == 0)
        let directory = try FileDescriptor(opening: "/dev", O_RDONLY | O_DIRECTORY)
        #expect(hvemu_names_device(directory.raw, "mshv") == 1)
        #expect(hvemu_names_device(directory.raw, "kvm") == 0)
    }

    @Test("creates partitions of both generations, and refuses what the driver refuses")
    func creates() throws {
        let device = try EmulatorDescriptor.device()
        _ = try device.partition(flags: 0)
        _ = try device.partition(flags: 0x37)
        for (flags, isolation) in [(UInt64(1) << 6, UInt64(0)), (0, 1), (UInt64.max, 0)] {
            var argument = mshv_create_partition(pt_flags: flags, pt_isolation: isolation)
            #expect(
                code { () throws(Errno) in try device.ioctl(HV_MSHV_DEVICE_CREATE_PARTITION, &argument) } == EINVAL)
        }
        #expect(code { () throws(Errno) in try device.ioctl(HV_MSHV_DEVICE_CREATE_PARTITION, 8) } == EFAULT)

        func second(_ change: (inout mshv_create_partition_v2) -> Void) -> Int32 {
            var argument = mshv_create_partition_v2()
            argument.pt_flags = 0xF
            argument.pt_num_cpu_fbanks = 2
            change(&argument)
            do throws(Errno) {
                let descriptor = try device.ioctl(HV_MSHV_DEVICE_CREATE_PARTITION, &argument)
                #expect(fcntl(descriptor, F_GETFD, 0) & FD_CLOEXEC != 0)
                hvemu_close(descriptor)
                return 0
            } catch {
                return error.code
            }
        }
        #expect(second { _ in } == 0)
        #expect(second { $0.pt_disabled_xsave = .max } == 0)
        #expect(second { $0.pt_num_cpu_fbanks = 3 } == EINVAL)
        #expect(second { $0.pt_rsvd.5 = 1 } == EINVAL)
        #expect(second { $0.pt_rsvd1.1 = 1 } == EINVAL)
    }

    @Test("answers ENOTTY for requests of other descriptors and other drivers")
    func unknownRequests() throws {
        let device = try EmulatorDescriptor.device()
        let partition = try device.partition()
        let foreign = [
            HV_MSHV_DEVICE_CHECK_EXTENSION, HV_MSHV_DEVICE_CREATE_VTL, HV_MSHV_VTL_ADD_VTL0_MEMORY,
            HV_MSHV_VTL_SET_POLL_FILE, HV_MSHV_VTL_RETURN_TO_LOWER_VTL, HV_MSHV_SINT_SIGNAL_EVENT,
            HV_MSHV_SINT_POST_MESSAGE, HV_MSHV_SINT_SET_EVENTFD, HV_MSHV_HVCALL_SETUP, HV_MSHV_HVCALL,
            HV_MSHV_VTL_GET_VP_REGISTERS, HV_MSHV_VTL_SET_VP_REGISTERS,
        ]
        for request in foreign + [HV_MSHV_PARTITION_INITIALIZE, HV_MSHV_PARTITION_CREATE_VP] {
            #expect(code { () throws(Errno) in try device.ioctl(request) } == ENOTTY)
        }
        for request in foreign + [HV_MSHV_DEVICE_CREATE_PARTITION, HV_MSHV_VP_RUN] {
            #expect(code { () throws(Errno) in try partition.ioctl(request) } == ENOTTY)
        }
        // Not of the driver's type: the kernel answers for the file that the descriptor really is.
        #expect(code { () throws(Errno) in try device.ioctl(UInt(TCGETS)) } == ENOTTY)
    }

    @Test("takes its descriptors by what they are, not by their number")
    func identity() throws {
        let device = try EmulatorDescriptor.device()
        let partition = try device.partition()
        let copy = EmulatorDescriptor(dup(partition.raw))
        try copy.ioctl(HV_MSHV_PARTITION_INITIALIZE)
        // The number is another file now, and no ioctl of ours is meant for that.
        let pipes = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
        defer { pipes.deallocate() }
        #expect(pipe(pipes) == 0)
        #expect(dup2(pipes[0], partition.raw) == partition.raw)
        #expect(code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE) } == ENOTTY)
        try copy.ioctl(HV_MSHV_PARTITION_INITIALIZE)
        close(pipes[0])
        close(pipes[1])
    }
}
