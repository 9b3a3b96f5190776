import CMshv
import CMshvEmulatorEntry
import EmulatorFuzzing
import Glibc
import HypercallABI
import LinuxSystem
import Testing

@Suite("MSHV_ROOT_HVCALL of the mshv emulator", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorHypercallTests {
    private let property = UInt64(PartitionProperty.cpuWeight.rawValue)

    @Test("passes calls on with the partition's id, and returns status and output")
    func passes() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        // Somebody else's id is written over.
        var answer = partition.hypercall(.getPartitionProperty, words(77, property), outputSize: 8)
        #expect(answer.errno == 0)
        #expect(answer.request.status == 0)
        #expect(answer.output == words(100))
        #expect(partition.hypercall(.setPartitionProperty, words(0, property, 500)).errno == 0)
        answer = partition.hypercall(.getPartitionProperty, words(0, property), outputSize: 8)
        #expect(answer.output == words(500))
        // Refused by the hypervisor: the status says so, and nothing is copied out.
        answer = partition.hypercall(.getPartitionProperty, words(0, 0xFFFF_FFFF), outputSize: 8)
        #expect(answer.errno == EIO)
        #expect(answer.request.status == HypercallStatus.unknownProperty.rawValue)
        #expect(answer.output.allSatisfy { $0 == 0xEE })
        // Fixed since it was initialized.
        let flags = UInt64(PartitionProperty.privilegeFlags.rawValue)
        answer = partition.hypercall(.setPartitionProperty, words(0, flags, 0))
        #expect(answer.errno == EIO)
        #expect(answer.request.status == HypercallStatus.invalidPartitionState.rawValue)
    }

    @Test("refuses what the driver refuses before the hypervisor sees it")
    func refuses() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        func make(_ change: (inout mshv_root_hvcall) -> Void) -> Int32 {
            var input = words(0, property)
            var output = [UInt8](repeating: 0, count: 8)
            return input.withUnsafeMutableBytes { input in
                output.withUnsafeMutableBytes { output in
                    var request = mshv_root_hvcall()
                    request.code = CallCode.getPartitionProperty.rawValue
                    request.in_sz = 16
                    request.out_sz = 8
                    request.in_ptr = UInt64(UInt(bitPattern: input.baseAddress))
                    request.out_ptr = UInt64(UInt(bitPattern: output.baseAddress))
                    change(&request)
                    return code { () throws(Errno) in
                        try partition.ioctl(HV_MSHV_PARTITION_ROOT_HVCALL, &request)
                    }
                }
            }
        }
        #expect(make { _ in } == 0)
        #expect(make { $0.status = 1 } == EINVAL)
        #expect(make { $0.rsvd.5 = 1 } == EINVAL)
        #expect(make { $0.in_ptr = 0 } == EINVAL)
        #expect(make { $0.in_sz = 7 } == EINVAL)
        #expect(make { $0.in_sz = 4097 } == EINVAL)
        #expect(make { $0.out_sz = 0 } == EINVAL)
        #expect(make { $0.out_sz = 4097 } == EINVAL)
        #expect(make { $0.in_ptr = 0x10 } == EFAULT)
        #expect(make { $0.out_ptr = 0x10 } == EFAULT)
        #expect(make { $0.code = CallCode.createPartition.rawValue } == EINVAL)
        #expect(make { $0.code = CallCode.depositMemory.rawValue } == EINVAL)
        #expect(make { $0.code = 0xFFFF } == EINVAL)
        // A simple call with repetitions, and with more than there can be.
        #expect(make { $0.reps = 1 } == EINVAL)
        #expect(make { $0.reps = .max } == EINVAL)
        #expect(code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_ROOT_HVCALL, 0x10) } == EFAULT)
    }

    @Test("keeps calls that may take long to the partition's own descriptor, and the root's to reading")
    func descriptors() throws {
        try FakeProcessors.use { _ in
            let device = try EmulatorDescriptor.device()
            let partition = try EmulatorDescriptor.initializedPartition()
            let processor = try partition.processor(0)
            #expect(processor.hypercall(.setPartitionProperty, words(0, property, 500)).errno == EINVAL)
            #expect(processor.hypercall(.getPartitionProperty, words(0, property), outputSize: 8).errno == 0)
            #expect(device.hypercall(.setPartitionProperty, words(0, property, 500)).errno == EINVAL)
            #expect(device.hypercall(.getVpRegisters, words(0, 0, 0), outputSize: 16, reps: 1).errno == EINVAL)
        }
    }
}
