import Hypervisor
import LinuxSystem
import Log
import VirtualDevices

/// A partition's events for its devices. What the hypervisor refuses is logged: the devices then go the slower way.
struct MachineEvents: DeviceEvents {
    let events: any PartitionEvents

    func setMessage(address: UInt64, data: UInt32, of event: EventFD) -> Bool {
        succeeds { () throws(HypervisorError) in
            try events.setMessage(InterruptMessage(address: address, data: data), of: event)
        }
    }

    func removeMessage(of event: EventFD) {
        _ = succeeds { () throws(HypervisorError) in try events.setMessage(nil, of: event) }
    }

    func addDoorbell(at address: UInt64, _ event: EventFD) -> Bool {
        succeeds { () throws(HypervisorError) in
            try events.addDoorbell(DoorbellWrite(gpa: address, size: 0, value: nil), event)
        }
    }

    func removeDoorbell(at address: UInt64, _ event: EventFD) {
        _ = succeeds { () throws(HypervisorError) in
            try events.removeDoorbell(DoorbellWrite(gpa: address, size: 0, value: nil), event)
        }
    }

    private func succeeds(_ body: () throws(HypervisorError) -> Void) -> Bool {
        do throws(HypervisorError) {
            try body()
            return true
        } catch {
            Log.debug("an eventfd was not joined with the partition", ["reason": error.description])
            return false
        }
    }
}
