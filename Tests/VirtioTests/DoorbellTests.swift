import GuestMemory
import LinuxSystem
import Synchronization
import Testing
import VirtualDevices

@testable import Virtio

/// A device's notification registers as doorbells of the hypervisor.
@Suite struct DoorbellTests {
    private final class Host: DeviceEvents {
        let doorbells = Mutex<[UInt64: Int32]>([:])
        let refused = Mutex<Set<UInt64>>([])
        func setMessage(address: UInt64, data: UInt32, of event: EventFD) -> Bool { false }
        func removeMessage(of event: EventFD) {}
        func addDoorbell(at address: UInt64, _ event: EventFD) -> Bool {
            if refused.withLock({ $0.contains(address) }) { return false }
            doorbells.withLock { $0[address] = event.raw }
            return true
        }
        func removeDoorbell(at address: UInt64, _ event: EventFD) {
            doorbells.withLock { if $0[address] == event.raw { $0[address] = nil } }
        }
    }

    @Test func areThereWhileTheDeviceIsStartedAndSomewhere() throws {
        let host = Host()
        let doorbells = VirtioDoorbells(host)
        let (first, second) = (try EventFD(), try EventFD())
        doorbells.set([(0x3000, first), (0x3004, second)])
        #expect(host.doorbells.withLock { $0.isEmpty })
        doorbells.move(to: 0xC000_0000)
        #expect(host.doorbells.withLock { $0 } == [0xC000_3000: first.raw, 0xC000_3004: second.raw])
        doorbells.move(to: 0xC001_0000)
        #expect(host.doorbells.withLock { $0 } == [0xC001_3000: first.raw, 0xC001_3004: second.raw])
        doorbells.set([])
        #expect(host.doorbells.withLock { $0.isEmpty })
        host.refused.withLock { $0 = [0xC001_3000] }
        doorbells.set([(0x3000, first), (0x3004, second)])
        #expect(host.doorbells.withLock { $0 } == [0xC001_3004: second.raw])
        doorbells.move(to: nil)
        #expect(host.doorbells.withLock { $0.isEmpty })
    }
}
