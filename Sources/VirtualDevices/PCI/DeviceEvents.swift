import LinuxSystem

/// Eventfds of devices that the hypervisor takes over from the machine: interrupts that need no call of ours, and
/// writes of the guest that are no exits. What it refuses goes the ordinary way.
package protocol DeviceEvents: Sendable {
    /// From now on a signal of `event` is the interrupt message.
    ///
    /// - Returns: whether it is; else the message before stays.
    func setMessage(address: UInt64, data: UInt32, of event: EventFD) -> Bool
    /// When it returns, no interrupt comes of the event any more.
    func removeMessage(of event: EventFD)

    /// From now on a guest's write of any size at `address` signals `event`.
    ///
    /// - Returns: whether it does.
    func addDoorbell(at address: UInt64, _ event: EventFD) -> Bool
    /// The end of `addDoorbell`, with the same arguments.
    func removeDoorbell(at address: UInt64, _ event: EventFD)
}
