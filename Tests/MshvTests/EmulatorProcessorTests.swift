import CMshv
import CMshvEmulatorEntry
import EmulatorFuzzing
import Glibc
import HypercallABI
import LinuxSystem
import Synchronization
import Testing

@Suite("Processors of the mshv emulator", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorProcessorTests {
    @Test("are made once for each index")
    func creates() throws {
        try FakeProcessors.use { made in
            let partition = try EmulatorDescriptor.device().partition()
            #expect(code { () throws(Errno) in _ = try partition.processor(0) } == EIO)
            try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE)
            let first = try partition.processor(0)
            #expect(code { () throws(Errno) in _ = try partition.processor(0) } == EEXIST)
            _ = try partition.processor(3)
            // Its descriptor is closed by now, and its index stays taken.
            #expect(code { () throws(Errno) in _ = try partition.processor(3) } == EEXIST)
            #expect(code { () throws(Errno) in _ = try partition.processor(254) } == EINVAL)
            #expect(code { () throws(Errno) in _ = try partition.processor(256) } == EINVAL)
            #expect(code { () throws(Errno) in _ = try partition.processor(.max) } == EINVAL)
            #expect(code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_CREATE_VP, 8) } == EFAULT)
            #expect(made().map(\.index) == [0, 3])
            #expect(code { () throws(Errno) in try first.ioctl(HV_MSHV_VP_TRANSLATE_GVA) } == ENOTTY)
        }
    }

    @Test("give their message to the program, and errno where they are interrupted")
    func runs() throws {
        try FakeProcessors.use { made in
            let partition = try EmulatorDescriptor.initializedPartition()
            let processor = try partition.processor(0)
            var message = mshv_run_vp()
            try processor.ioctl(HV_MSHV_VP_RUN, &message)
            #expect(message.msg_buf.0 == 0x5A)
            #expect(code { () throws(Errno) in try processor.ioctl(HV_MSHV_VP_RUN, 8) } == EFAULT)
            made()[0].script.withLock { $0.result = EINTR }
            #expect(code { () throws(Errno) in try processor.ioctl(HV_MSHV_VP_RUN, &message) } == EINTR)
        }
    }

    @Test("show their pages where the driver does")
    func maps() throws {
        try FakeProcessors.use { made in
            let partition = try EmulatorDescriptor.initializedPartition()
            let processor = try partition.processor(0)
            func map(_ descriptor: EmulatorDescriptor, _ offset: Int) -> (UnsafeMutableRawPointer?, Int32) {
                let address = hvemu_mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.raw, offset)
                return address == UnsafeMutableRawPointer(bitPattern: -1) ? (nil, errno) : (address, 0)
            }
            let registers = try #require(map(processor, 0).0)
            let message = try #require(map(processor, 4096).0)
            defer {
                hvemu_munmap(registers, 4096)
                hvemu_munmap(message, 4096)
            }
            var buffer = mshv_run_vp()
            try processor.ioctl(HV_MSHV_VP_RUN, &buffer)
            #expect(message.load(as: UInt8.self) == 0x5A)
            #expect(registers.load(as: UInt16.self) == 1)
            #expect(map(processor, 8192).1 == ENODEV)
            #expect(map(processor, 12288).1 == EINVAL)
            #expect(map(partition, 0).1 == ENODEV)
        }
    }

    @Test("give and take their state in whole pages")
    func states() throws {
        try FakeProcessors.use { made in
            let partition = try EmulatorDescriptor.initializedPartition()
            let processor = try partition.processor(0)
            let memory = try TestMemory(8192)
            func transfer(
                _ request: UInt = HV_MSHV_VP_GET_STATE, _ change: (inout mshv_get_set_vp_state) -> Void = { _ in }
            ) -> (code: Int32, size: UInt32) {
                var argument = mshv_get_set_vp_state()
                argument.type = UInt8(MSHV_VP_STATE_XSAVE)
                argument.buf_sz = 4096
                argument.buf_ptr = memory.address
                change(&argument)
                let result = code { () throws(Errno) in try processor.ioctl(request, &argument) }
                return (result, argument.buf_sz)
            }
            #expect(transfer() == (0, 4096))
            #expect(memory.base.load(fromByteOffset: 4095, as: UInt8.self) == 2)
            #expect(memory.base.load(fromByteOffset: 4096, as: UInt8.self) == 0)
            #expect(transfer { $0.type = 5 }.code == EINVAL)
            #expect(transfer { $0.rsvd.2 = 1 }.code == EINVAL)
            #expect(transfer { $0.buf_sz = 0 }.code == EINVAL)
            #expect(transfer { $0.buf_sz = 200 }.code == EINVAL)
            #expect(transfer { $0.buf_ptr += 8 }.code == EINVAL)
            #expect(transfer { $0.buf_ptr = 0xFFFF_8000_0000_0000 }.code == EFAULT)
            #expect(transfer { $0.buf_ptr = 0x1000 }.code == EFAULT)

            let fake = made()[0]
            // The size that it needs comes back with the refusal.
            fake.script.withLock { $0.stateSize = 4160 }
            #expect(transfer() == (EINVAL, 4160))
            #expect(transfer { $0.buf_sz = 8192 } == (0, 4160))
            #expect(transfer(HV_MSHV_VP_SET_STATE) == (EINVAL, 4160))
            #expect(transfer(HV_MSHV_VP_SET_STATE) { $0.buf_sz = 8192 } == (0, 4160))
            #expect(fake.script.withLock { $0.lastSet.count } == 4160)
            fake.script.withLock { $0.setResult = EIO }
            #expect(transfer(HV_MSHV_VP_SET_STATE) { $0.buf_sz = 8192 }.code == EIO)
        }
    }

    @Test("keep their partition, and end with it")
    func lifetimes() throws {
        try FakeProcessors.use { made in
            var partition: EmulatorDescriptor? = try EmulatorDescriptor.initializedPartition()
            var processor: EmulatorDescriptor? = try partition?.processor(0)
            let fake = made()[0]
            partition = nil
            #expect(fake.script.withLock { $0.retired } == 0)
            var message = mshv_run_vp()
            try processor?.ioctl(HV_MSHV_VP_RUN, &message)
            // A mapping keeps it as well, as it keeps an open file.
            let page = hvemu_mmap(nil, 4096, PROT_READ, MAP_SHARED, processor?.raw ?? -1, 0)
            processor = nil
            #expect(fake.script.withLock { $0.retired } == 0)
            hvemu_munmap(page, 4096)
            #expect(fake.script.withLock { $0.retired } == 1)
        }
    }

    @Test("end when a range of descriptors is closed, or another descriptor takes their place")
    func otherEnds() throws {
        try FakeProcessors.use { made in
            let processor = try EmulatorDescriptor.initializedPartition().processor(0)
            // The number stays open, so that the descriptor's own end closes something.
            let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
            #expect(hvemu_dup2(null, processor.raw) == processor.raw)
            #expect(made()[0].script.withLock { $0.retired } == 1)
            let other = try EmulatorDescriptor.initializedPartition().processor(0)
            #expect(hvemu_close_range(UInt32(other.raw), UInt32(other.raw), 0) == 0)
            #expect(made()[1].script.withLock { $0.retired } == 1)
            #expect(dup2(null, other.raw) == other.raw)
            close(null)
        }
    }
}
