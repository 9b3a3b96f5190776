import CMshv
import CMshvEmulatorEntry
import Glibc
import HypercallABI
import LinuxSystem
import Testing

@testable import MshvEmulator

@Suite("Eventfds of the mshv emulator", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorEventTests {
    @Test("raise lines of one partition each once, and stop to")
    func irqfds() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        let event = try EventFD()
        func set(fd: Int32, gsi: UInt32, flags: UInt32 = 0, resample: Int32 = -1) -> Int32 {
            var argument = mshv_user_irqfd(fd: fd, resamplefd: resample, gsi: gsi, flags: flags)
            return code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_IRQFD, &argument) }
        }
        #expect(set(fd: event.raw, gsi: 5) == 0)
        // The same eventfd by another descriptor.
        let copy = dup(event.raw)
        #expect(set(fd: copy, gsi: 6) == EBUSY)
        #expect(set(fd: copy, gsi: 6, flags: HV_MSHV_IRQFD_DEASSIGN) == 0)
        #expect(set(fd: copy, gsi: 6) == EBUSY)
        #expect(set(fd: copy, gsi: 5, flags: HV_MSHV_IRQFD_DEASSIGN) == 0)
        #expect(set(fd: event.raw, gsi: 6) == 0)
        close(copy)
        #expect(set(fd: -1, gsi: 1) == EBADF)
        #expect(set(fd: 1_000_000, gsi: 1) == EBADF)
        #expect(set(fd: partition.raw, gsi: 1) == EINVAL)
        #expect(set(fd: event.raw, gsi: 1, flags: 4) == EINVAL)
        // Resampling is for level-triggered lines.
        let other = try EventFD()
        let end = try EventFD()
        #expect(set(fd: other.raw, gsi: 9, flags: HV_MSHV_IRQFD_RESAMPLE, resample: end.raw) == EINVAL)
    }

    @Test("take a routing table with one place for each line")
    func routing() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        func set(_ entries: [UInt32], count: UInt32? = nil, reserved: UInt32 = 0) -> Int32 {
            var words = [count ?? UInt32(entries.count / 4), reserved] + entries
            return words.withUnsafeMutableBytes { bytes in
                code { () throws(Errno) in
                    try partition.ioctl(HV_MSHV_PARTITION_SET_MSI_ROUTING, UInt(bitPattern: bytes.baseAddress))
                }
            }
        }
        #expect(set([]) == 0)
        #expect(set([5, 0xFEE0_0000, 0, 0x31, 6, 0xFEE0_1000, 0, 0x32]) == 0)
        #expect(set([5, 0xFEE0_0000, 0, 0x31, 5, 0xFEE0_1000, 0, 0x32]) == EINVAL)
        #expect(set([0, 0xFEE0_0000, 0, 0x31, 0, 0xFEE0_1000, 0, 0x32]) == 0)
        #expect(set([5, 0xFEE0_0000, 1, 0x31]) == EINVAL)
        #expect(set([4096, 0xFEE0_0000, 0, 0x31]) == EINVAL)
        #expect(set([], count: 4097) == EINVAL)
        #expect(set([], reserved: 1) == EINVAL)
    }

    @Test("ring for writes that match, and only for those")
    func doorbells() throws {
        let partition = try EmulatorDescriptor.initializedPartition()
        let event = try EventFD()
        func set(_ change: (inout mshv_user_ioeventfd) -> Void) -> Int32 {
            var argument = mshv_user_ioeventfd()
            argument.addr = 0xE000_0000
            argument.fd = event.raw
            change(&argument)
            return code { () throws(Errno) in try partition.ioctl(HV_MSHV_PARTITION_IOEVENTFD, &argument) }
        }
        let match = HV_MSHV_IOEVENTFD_DATAMATCH
        let deassign = HV_MSHV_IOEVENTFD_DEASSIGN
        #expect(set { _ in } == 0)
        #expect(set { _ in } == EEXIST)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match, 7) } == 0)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match, 8) } == 0)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match, 7) } == EEXIST)
        #expect(set { $0.len = 4 } == EEXIST)
        #expect(set { $0.len = 3 } == EINVAL)
        #expect(set { ($0.len, $0.addr) = (8, .max - 3) } == EINVAL)
        #expect(set { $0.flags = HV_MSHV_IOEVENTFD_PIO } == EOPNOTSUPP)
        #expect(set { $0.flags = 8 } == EINVAL)
        #expect(set { $0.rsvd.3 = 1 } == EINVAL)
        #expect(set { ($0.addr, $0.fd) = (0, -1) } == EBADF)
        #expect(set { ($0.addr, $0.fd) = (0, partition.raw) } == EINVAL)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match | deassign, 9) } == ENOENT)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match | deassign, 8) } == 0)
        #expect(set { ($0.len, $0.flags, $0.datamatch) = (4, match | deassign, 8) } == ENOENT)
        #expect(set { $0.flags = deassign } == 0)
    }

    @Test("are told apart by the kernel's number of them")
    func identities() throws {
        let first = try EventFD()
        let second = try EventFD()
        let copy = dup(first.raw)
        defer { close(copy) }
        #expect(try EventHandle(first.raw).identity == EventHandle(copy).identity)
        #expect(try EventHandle(first.raw).identity != EventHandle(second.raw).identity)
        let handle = try EventHandle(first.raw)
        #expect(!handle.take())
        handle.signal()
        #expect(handle.take())
        #expect(!handle.take())
    }

    @Test("match a doorbell by address, size and value")
    func matching() throws {
        let emulator = try TestEmulator.make()
        let delivery = InterruptDelivery(
            hypervisor: emulator.hypervisor, partition: PartitionID(rawValue: 2), pump: emulator.pump)
        let notifications = PartitionNotifications(delivery)
        let any = try EventFD()
        let seven = try EventFD()
        #expect(notifications.add(.init(address: 16, size: 0, value: nil, event: try EventHandle(any.raw))))
        #expect(notifications.add(.init(address: 32, size: 2, value: 0x1_0007, event: try EventHandle(seven.raw))))
        #expect(notifications.doorbell(gpa: 16, size: 8, value: 1))
        #expect(notifications.doorbell(gpa: 16, size: 1, value: 2))
        #expect(any.drain() == 2)
        #expect(!notifications.doorbell(gpa: 17, size: 1, value: 2))
        #expect(!notifications.doorbell(gpa: 32, size: 4, value: 7))
        #expect(!notifications.doorbell(gpa: 32, size: 2, value: 8))
        #expect(notifications.doorbell(gpa: 32, size: 2, value: 7))
        #expect(seven.drain() == 1)
        notifications.removeAll()
        #expect(!notifications.doorbell(gpa: 16, size: 8, value: 1))
    }
}
