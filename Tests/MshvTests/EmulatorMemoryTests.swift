import CMshv
import CMshvEmulatorEntry
import Glibc
import HypercallABI
import LinuxSystem
import Testing

@Suite("Guest memory of the mshv emulator", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorMemoryTests {
    private func set(_ partition: EmulatorDescriptor, _ region: mshv_user_mem_region) -> Int32 {
        var region = region
        return code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region) }
    }

    @Test("is mapped and unmapped by regions, with the driver's errors")
    func regions() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        let memory = try TestMemory(16 * 4096)
        #expect(set(partition, memory.region(page: 16)) == 0)
        #expect(set(partition, memory.region(page: 31)) == EEXIST)
        #expect(set(partition, memory.region(page: 32)) == 0)
        let unmap = HV_MSHV_MEM_UNMAP
        #expect(set(partition, memory.region(page: 15, flags: unmap)) == ENOENT)
        // In a region, and not the whole of it.
        #expect(set(partition, memory.region(page: 17, flags: unmap)) == EINVAL)
        #expect(set(partition, memory.region(page: 16, size: 4096, flags: unmap)) == EINVAL)
        #expect(set(partition, memory.region(page: 16, flags: unmap)) == 0)
        #expect(set(partition, memory.region(page: 16, flags: unmap)) == ENOENT)
        #expect(set(partition, memory.region(page: 16)) == 0)
    }

    @Test("is refused where the arguments are wrong")
    func refusals() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        let memory = try TestMemory(2 * 4096)
        #expect(set(partition, memory.region(page: 0, size: 0)) == EINVAL)
        #expect(set(partition, memory.region(page: 0, size: 4097)) == EINVAL)
        #expect(set(partition, memory.region(page: 0, flags: 8)) == EINVAL)
        #expect(set(partition, memory.region(page: .max)) == EINVAL)
        #expect(set(partition, memory.region(page: 0, size: 1 << 63)) == EINVAL)
        var region = memory.region(page: 0)
        region.rsvd.6 = 1
        #expect(set(partition, region) == EINVAL)
        region = memory.region(page: 0)
        region.userspace_addr += 8
        #expect(set(partition, region) == EINVAL)
        region.userspace_addr = 0x1000
        #expect(set(partition, region) == EINVAL)
        region.userspace_addr = 0xFFFF_8000_0000_0000
        #expect(set(partition, region) == EINVAL)
        // The third page of it is not there.
        #expect(set(partition, memory.region(page: 0, size: 3 * 4096)) == EFAULT)
        #expect(set(partition, memory.region(page: 0)) == 0)
        #expect(
            code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_SET_GUEST_MEMORY, 0x10) } == EFAULT)
    }

    @Test("needs an initialized partition")
    func beforeInitialize() throws {
        let partition = try EmulatorDescriptor.device().partition()
        let memory = try TestMemory(4096)
        #expect(set(partition, memory.region(page: 0)) == EIO)
        try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE)
        try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE)
        #expect(set(partition, memory.region(page: 0)) == 0)
    }

    @Test("has a bitmap of accessed and of dirty pages")
    func accessBitmap() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        let memory = try TestMemory(1024 * 4096)
        #expect(set(partition, memory.region(page: 0)) == 0)
        let tracking = UInt64(PartitionProperty.gpaPageAccessTracking.rawValue)
        #expect(partition.hypercall(.setPartitionProperty, words(0, tracking, 1)).errno == 0)
        var bitmap = [UInt8](repeating: 0xFF, count: 128)

        func read(_ change: (inout mshv_gpap_access_bitmap) -> Void) -> Int32 {
            bitmap.withUnsafeMutableBytes { bytes in
                var argument = mshv_gpap_access_bitmap()
                argument.access_type = UInt8(MSHV_GPAP_ACCESS_TYPE_DIRTY)
                argument.page_count = 1024
                argument.bitmap_ptr = UInt64(UInt(bitPattern: bytes.baseAddress))
                change(&argument)
                return code { () throws(Errno) in
                    try partition.ioctl(HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP, &argument)
                }
            }
        }
        #expect(read { $0.access_type = 2 } == EINVAL)
        #expect(read { $0.access_op = 3 } == EINVAL)
        #expect(read { $0.rsvd.0 = 1 } == EINVAL)
        #expect(read { $0.page_count = 0 } == EINVAL)
        #expect(read { $0.bitmap_ptr = 0 } == EINVAL)
        #expect(read { $0.page_count = .max } == ENOMEM)
        #expect(read { $0.bitmap_ptr = 0x10 } == EFAULT)

        #expect(read { $0.access_op = UInt8(MSHV_GPAP_ACCESS_OP_CLEAR) } == 0)
        bitmap = [UInt8](repeating: 0xFF, count: 128)
        #expect(read { _ in } == 0)
        #expect(bitmap.allSatisfy { $0 == 0 })
        // The bits behind the last page of what is asked for are zero, and what lies behind them is left alone.
        #expect(read { ($0.access_op, $0.page_count) = (UInt8(MSHV_GPAP_ACCESS_OP_SET), 13) } == 0)
        bitmap = [UInt8](repeating: 0xFF, count: 128)
        #expect(read { $0.page_count = 21 } == 0)
        #expect(bitmap[..<4].elementsEqual([0xFF, 0x1F, 0, 0xFF]))
    }
}
