import EmbeddedHypervisor
import HypercallABI
import LinuxSystem
import Synchronization

/// A partition as the driver keeps it. It lives as long as a descriptor of it or of one of its processors does, and a
/// request on one is under way.
final class EmulatedPartition: Sendable {
    let id: PartitionID
    let emulator: MshvEmulator
    let interrupts: InterruptDelivery
    let notifications: PartitionNotifications

    /// What requests on the partition's descriptor change, one after the other.
    struct State {
        var isInitialized = false
        var regions: [MemoryRegion] = []
        /// By index. A processor stays when its descriptor is closed; its index is not free before the partition ends.
        var processors: [VPIndex: any EmulatedProcessor] = [:]
    }

    let state = Mutex(State())

    init(_ emulator: MshvEmulator, _ creation: CreatePartitionInput) throws(Errno) {
        id = try emulator.driver.createPartition(creation)
        self.emulator = emulator
        interrupts = InterruptDelivery(hypervisor: emulator.hypervisor, partition: id, pump: emulator.pump)
        notifications = PartitionNotifications(interrupts)
    }

    deinit {
        // Nobody else has it any more, so the lock is free.
        state.withLock { state in
            for processor in state.processors.values { processor.retire() }
            emulator.driver.destroy(id, regions: state.regions)
        }
    }

    func initialize() throws(Errno) {
        try state.withLock { state throws(Errno) in
            if state.isInitialized { return }
            try emulator.driver.initialize(id)
            state.isInitialized = true
        }
    }
}
