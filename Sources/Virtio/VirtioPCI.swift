import GuestMemory
import LinuxSystem
import Synchronization
import VirtualDevices

/// A virtio device on PCI (virtio 1.2, 4.1): one range of registers with the four structures, one for MSI-X, and a
/// vector for each queue and one for the configuration.
package final class VirtioPCI: Sendable {
    /// Where each structure is in the range of registers, one page each.
    private enum Region {
        static let common: UInt64 = 0x0000
        static let interruptStatus: UInt64 = 0x1000
        static let device: UInt64 = 0x2000
        static let notify: UInt64 = 0x3000
        static let page: UInt64 = 0x1000
        static let size: UInt64 = 0x4000
    }

    private enum Capability {
        static let vendorSpecific: UInt8 = 0x09
        static let common: UInt8 = 1
        static let notify: UInt8 = 2
        static let interruptStatus: UInt8 = 3
        static let device: UInt8 = 4
    }

    /// Bytes between two queues' notification registers.
    private static let notifyStep: UInt64 = 4
    private static let registersBAR = 0
    private static let msixBAR = 2

    /// What goes onto the bus.
    package let function: any PCIFunction
    private let device: any VirtioDevice
    private let registers: Registers

    /// - Parameters:
    ///   - classCode: what the function says it is, for firmware and `lspci`.
    ///   - events: takes over the device's interrupts and notifications where it can.
    ///   - deliver: sends an interrupt message to the partition's local APICs.
    ///   - report: is given one line for each rule that the driver broke.
    package init(
        _ device: any VirtioDevice, classCode: (base: UInt8, sub: UInt8), memory: GuestMemory,
        events: (any DeviceEvents)? = nil,
        deliver: @escaping @Sendable (_ address: UInt64, _ data: UInt32) -> Void,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.device = device
        let msix = MSIX(vectors: device.queueSizes.count + 1, events: events, deliver: deliver)
        registers = Registers(
            device, memory: memory, msix: msix, doorbells: events.map(VirtioDoorbells.init), report: report)
        let window = MSIXWindow(msix)
        var space = PCIConfigurationSpace(
            PCIIdentity(
                vendor: PCIVendor.virtio, device: 0x1040 + device.deviceType, revision: 1, baseClass: classCode.base,
                subclass: classCode.sub, subsystemVendor: PCIVendor.virtio, subsystem: 0x1040 + device.deviceType))
        // All sizes are powers of two and the registers and the list have room: nothing can be refused.
        _ = space.add(.init(.memory64, size: Region.size), at: Self.registersBAR)
        _ = space.add(.init(.memory64, size: window.size), at: Self.msixBAR)
        for (type, offset) in [
            (Capability.common, Region.common), (Capability.interruptStatus, Region.interruptStatus),
            (Capability.device, Region.device), (Capability.notify, Region.notify),
        ] {
            _ = space.addCapability(Capability.vendorSpecific, Self.capability(type, at: offset))
        }
        let (body, writable) = msix.capability(bar: UInt8(Self.msixBAR), table: 0, pending: window.pendingOffset)
        let place = space.addCapability(MSIX.capabilityID, body, writableBody: writable)
        function = PCIEndpoint(
            space, msix: place.map { (msix, $0) },
            devices: [Self.registersBAR: registers, Self.msixBAR: window])
    }

    /// Keeps features from the driver, which has not looked yet.
    package func withhold(_ features: UInt64) { registers.withheld.store(features, ordering: .relaxed) }

    /// virtio 1.2, 4.1.4: the length, the type, the range and the place in it.
    private static func capability(_ type: UInt8, at offset: UInt64) -> [UInt8] {
        let isNotify = type == Capability.notify
        let multiplier = isNotify ? little(UInt32(notifyStep)) : []
        let length = UInt8(16 + multiplier.count)
        return [length, type, UInt8(registersBAR), 0, 0, 0] + little(UInt32(offset)) + little(UInt32(Region.page))
            + multiplier
    }

    private static func little(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }

    /// What the driver said to the transport, and its vectors; the device's own state and the function's configuration
    /// space are saved beside it.
    package func save() -> VirtioPCIState { registers.save() }

    /// Goes on from a saved state.
    ///
    /// - Parameter device: loads the device's own state, whose signals are given to it.
    /// - Throws: `VirtQueueError` for a state of another device; what `device` throws. The driver finds a device that was
    ///   reset then.
    package func load(
        _ state: VirtioPCIState, device: (any VirtioSignals) throws(VirtQueueError) -> Void
    ) throws(VirtQueueError) { try registers.load(state, device: device) }

    /// The transport's state as one value.
    package var state: VirtioTransportState { registers.state }

    /// Tells the driver that the device's configuration is another one now.
    package func configurationChanged() { registers.configurationChanged() }

    /// Ends the device's use of guest memory.
    package func stop() { registers.reset() }

    /// As `stop`, and for good: what a processor that has still hold of the device writes starts nothing any more. When
    /// it returns, nothing of the device touches guest memory, and no interrupt comes of it.
    package func retire() {
        registers.retire()
        function.reset()
    }

    // MARK: Registers

    /// The range of registers. Its lock orders what drivers do; signals of the device take it for a moment only.
    private final class Registers: BusDevice, VirtioSignals {
        private let device: any VirtioDevice
        private let memory: GuestMemory
        private let msix: MSIX
        private let doorbells: VirtioDoorbells?
        private let report: @Sendable (String) -> Void
        private let transport: Mutex<VirtioTransportState>
        /// Held while the device is started, stopped or notified, so that these do not overlap.
        private let commands = Mutex(Commands())
        private struct Commands { var isRetired = false }

        /// Features that the driver is not told of.
        let withheld = Atomic<UInt64>(0)

        init(
            _ device: any VirtioDevice, memory: GuestMemory, msix: MSIX, doorbells: VirtioDoorbells?,
            report: @escaping @Sendable (String) -> Void
        ) {
            self.device = device
            self.memory = memory
            self.msix = msix
            self.doorbells = doorbells
            self.report = report
            transport = Mutex(VirtioTransportState(queueSizes: device.queueSizes))
        }

        private var offered: UInt64 {
            let features = device.features | device.commonFeatures
            return device.consistent(features & ~withheld.load(ordering: .relaxed))
        }

        var state: VirtioTransportState { transport.withLock { $0 } }

        func read(offset: UInt64, size: Int) -> UInt64 {
            let place = offset % Region.page
            switch offset / Region.page * Region.page {
            case Region.common:
                guard let field = VirtioCommonField(offset: place, size: size) else { return 0 }
                let offered = offered
                return transport.withLock { $0.read(field, offered: offered) }
            case Region.interruptStatus where place == 0:
                // Reading takes it.
                return transport.withLock { state in
                    defer { state.interruptStatus = 0 }
                    return UInt64(state.interruptStatus)
                }
            case Region.device:
                return device.readConfiguration(offset: Int(place), count: min(max(size, 1), 8))
            default: return 0
            }
        }

        func write(offset: UInt64, size: Int, value: UInt64) {
            let place = offset % Region.page
            switch offset / Region.page * Region.page {
            case Region.common:
                guard let field = VirtioCommonField(offset: place, size: size) else { return }
                if case .status = field { return setStatus(UInt8(truncatingIfNeeded: value)) }
                let (vectors, limits) = (msix.vectors, device.queueSizes)
                transport.withLock { $0.write(field, value, vectors: vectors, limits: limits) }
            case Region.device:
                device.writeConfiguration(offset: Int(place), count: min(max(size, 1), 8), value: value)
            case Region.notify:
                let queue = Int(place / notifyStep)
                commands.withLock { _ in
                    guard transport.withLock({ $0.isRunning && $0.queues.indices.contains(queue) }) else { return }
                    device.notify(queue: queue)
                }
            default: return
            }
        }

        func reset() { setStatus(0) }

        func retire() {
            commands.withLock { commands in
                commands.isRetired = true
                stop()
            }
        }

        func placed(at base: UInt64?) { doorbells?.move(to: base) }

        /// virtio 1.2, 2.1 and 3.1.1.
        private func setStatus(_ value: UInt8) {
            commands.withLock { commands in
                guard value != 0 else { return stop() }
                guard !commands.isRetired else { return }
                let offered = offered
                let starts = transport.withLock { state -> Bool in
                    // Only a reset takes the device's own bit away.
                    var value = value | state.status & VirtioStatus.needsReset
                    if value & VirtioStatus.featuresOK != 0, state.status & VirtioStatus.featuresOK == 0 {
                        let isLegacy = state.driverFeatures & VirtioFeature.version1 == 0
                        if isLegacy || state.driverFeatures & ~offered != 0 { value &= ~VirtioStatus.featuresOK }
                    }
                    let isNew = value & VirtioStatus.driverOK != 0 && !state.isRunning
                    // A driver that goes on without an agreement gets nothing.
                    if isNew, value & VirtioStatus.featuresOK == 0 { value &= ~VirtioStatus.driverOK }
                    state.status = value
                    return isNew && value & VirtioStatus.driverOK != 0
                }
                if starts { start() }
            }
        }

        private func start() {
            let state = transport.withLock { $0 }
            let isPacked = state.driverFeatures & VirtioFeature.ringPacked != 0
            let usesEventIndex = state.driverFeatures & VirtioFeature.eventIndex != 0
            var queues: [VirtQueue?] = []
            do throws(VirtQueueError) {
                for queue in state.queues {
                    guard queue.isEnabled else {
                        queues.append(nil)
                        continue
                    }
                    queues.append(
                        try VirtQueue(
                            queue.layout, memory: memory, isPacked: isPacked, usesEventIndex: usesEventIndex))
                }
            } catch {
                return needsReset(error)
            }
            device.start(queues, features: state.driverFeatures, memory: memory, signals: self)
            joinDoorbells()
        }

        private func joinDoorbells() {
            doorbells?.set(
                device.queueSizes.indices.compactMap { queue in
                    device.doorbell(queue: queue).map { (Region.notify + UInt64(queue) * notifyStep, $0) }
                })
        }

        func save() -> VirtioPCIState {
            VirtioPCIState(transport: transport.withLock { $0 }, msix: msix.snapshot)
        }

        func load(
            _ saved: VirtioPCIState, device load: (any VirtioSignals) throws(VirtQueueError) -> Void
        ) throws(VirtQueueError) {
            try commands.withLock { _ throws(VirtQueueError) in
                stop()
                let sizes = device.queueSizes
                guard saved.transport.queues.count == sizes.count, saved.msix.entries.count == msix.vectors,
                    saved.msix.isPending.count == msix.vectors,
                    zip(saved.transport.queues, sizes).allSatisfy({ $0.layout.size <= $1 })
                else { throw VirtQueueError("the saved state is of a device with other queues") }
                guard saved.transport.driverFeatures & ~offered == 0 || !saved.transport.isRunning else {
                    throw VirtQueueError("the saved state is of a device with other features")
                }
                msix.snapshot = saved.msix
                transport.withLock { $0 = saved.transport }
                do throws(VirtQueueError) {
                    try load(self)
                } catch {
                    stop()
                    throw error
                }
                if saved.transport.isRunning { joinDoorbells() }
            }
        }

        private func stop() {
            let wasRunning = transport.withLock { $0.isRunning }
            if wasRunning {
                doorbells?.set([])
                device.stop()
            }
            let sizes = device.queueSizes
            transport.withLock { state in
                let generation = state.configurationGeneration
                state = VirtioTransportState(queueSizes: sizes)
                state.configurationGeneration = generation
            }
        }

        // MARK: Signals

        func queueWasUsed(_ queue: Int) {
            let vector = transport.withLock { state -> UInt16 in
                state.interruptStatus |= 1
                return state.queues.indices.contains(queue) ? state.queues[queue].vector : VirtioTransportState.noVector
            }
            if vector != VirtioTransportState.noVector { msix.trigger(Int(vector)) }
        }

        func interrupt(ofQueue queue: Int) -> VirtioInterrupt {
            let vector = transport.withLock { state in
                state.queues.indices.contains(queue) ? state.queues[queue].vector : VirtioTransportState.noVector
            }
            guard vector != VirtioTransportState.noVector else { return .none }
            return msix.event(Int(vector)).map(VirtioInterrupt.event) ?? .call
        }

        func configurationChanged() {
            let vector = transport.withLock { state -> UInt16 in
                state.configurationGeneration &+= 1
                state.interruptStatus |= 2
                return state.configurationVector
            }
            if vector != VirtioTransportState.noVector { msix.trigger(Int(vector)) }
        }

        func needsReset(_ reason: VirtQueueError) {
            report("virtio device of type \(device.deviceType) needs a reset: \(reason)")
            transport.withLock { $0.status |= VirtioStatus.needsReset }
            configurationChanged()
        }
    }
}
