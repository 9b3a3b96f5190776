import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import KvmEngine
import LinuxSystem
import Testing

@testable import MshvEmulator

/// An emulator beside the process's own.
enum TestEmulator {
    static func make() throws -> MshvEmulator {
        MshvEmulator(engine: try KvmEngine(), processorLimit: 4) {
            (_, _, _, _, _) throws(HypercallStatus) in throw HypercallStatus.featureUnavailable
        }
    }
}

@Suite("Parts of the mshv emulator")
struct EmulatorPartTests {
    @Test("A status has the errno of Linux's table")
    func errnos() {
        let table: [(UInt16, Int32)] = [
            (0x00, 0), (0x02, EINVAL), (0x03, EINVAL), (0x04, EIO), (0x05, EINVAL), (0x06, EIO), (0x07, EIO),
            (0x08, EIO), (0x09, EIO), (0x0A, EIO), (0x0B, ENOMEM), (0x0D, EINVAL), (0x0E, EINVAL), (0x10, EIO),
            (0x11, EINVAL), (0x12, EINVAL), (0x13, EIO), (0x14, EIO), (0x15, EIO), (0x1D, EIO), (0x20, EIO),
            (0x41, EINVAL), (0x50, EINVAL), (0x71, EIO), (0x73, ENOMEM), (0x75, ENOMEM), (0x78, EIO), (0x79, EIO),
            (0x83, ENOMEM), (0x86, EIO), (0xFFFF, EIO),
        ]
        for (status, code) in table {
            #expect(Errno(HypercallStatus(rawValue: status)).code == code, "status \(status)")
        }
    }

    @Test("A region is mapped in large pages where both sides allow it")
    func parts() {
        func parts(_ pages: Range<UInt64>, _ address: UInt64) -> [[UInt64]] {
            MemoryRegion(pages: pages, address: address, flags: .readable).parts.map {
                [$0.pages.lowerBound, $0.pages.upperBound, $0.source, $0.stride]
            }
        }
        #expect(parts(0..<512, 0x20_0000) == [[0, 512, 512, 512]])
        #expect(parts(0..<511, 0x20_0000) == [[0, 511, 512, 1]])
        #expect(parts(0..<512, 0x20_1000) == [[0, 512, 513, 1]])
        #expect(
            parts(510..<1537, 0x3F_E000) == [[510, 512, 1022, 1], [512, 1536, 1024, 512], [1536, 1537, 2048, 1]])
    }

    @Test("A route is what the message says")
    func routes() {
        let route = InterruptRoute(address: 0xFEE3_7004, data: 0x0000_C131)
        #expect(route.vector == 0x31)
        #expect(route.destination == 0x37)
        #expect(route.type == 1)
        #expect(route.isLevelTriggered)
        #expect(route.isLogical)
        let plain = InterruptRoute(address: 0xFEE0_0000, data: 0x40)
        #expect(!plain.isLevelTriggered && !plain.isLogical && plain.type == 0)
    }

    @Test("Memory that is not there is an error")
    func userMemory() throws {
        #expect(code { () throws(Errno) in _ = try UserMemory.load(UInt64(0), at: 0) } == EFAULT)
        #expect(code { () throws(Errno) in _ = try UserMemory.load(UInt64(0), at: .max) } == EFAULT)
        #expect(code { () throws(Errno) in try UserMemory.store(UInt64(0), at: 0xFFFF_8000_0000_0000) } == EFAULT)
        let memory = try TestMemory(4096)
        try UserMemory.store(UInt64(7), at: memory.address + 4088)
        #expect(try UserMemory.load(UInt64(0), at: memory.address + 4088) == 7)
        #expect(code { () throws(Errno) in _ = try UserMemory.load(UInt64(0), at: memory.address + 4092) } == EFAULT)
        #expect(UserMemory.isMapped(memory.address, 4096))
        #expect(!UserMemory.isMapped(memory.address, 8192))
        #expect(UserMemory.isUserRange(0, UserMemory.limit))
        #expect(!UserMemory.isUserRange(1, UserMemory.limit))
        #expect(!UserMemory.isUserRange(.max, 2))
    }
}
