import DeviceSources
import Virtio

/// A device of a machine that can come and go: what it uses of the host, open over all of the machine's lives, and the
/// virtio device of each of them.
protocol MachineDevice: AnyObject, Sendable {
    /// As it was asked for, with the limit as it is now.
    var source: DeviceSource { get }
    /// Its place among the machine's of its kind, while it is attached.
    var place: Int { get }
    /// What it uses of the host: closed when its last reference goes.
    var backing: AnyObject { get }
    /// The device for one life of the machine.
    func virtioDevice(vpCount: Int) -> any VirtioDevice
    /// Changes what it may do from now on.
    func limit(_ limit: DeviceLimit?)
    /// The machine has ended for good: gives back what would outlive its process, which may end without a deinit.
    func machineHasEnded()
}

extension MachineDevice {
    var name: DeviceName { source.name }
    func machineHasEnded() {}
}
