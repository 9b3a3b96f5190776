import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// Where an interrupt line (GSI) of a partition leads (MSHV_SET_MSI_ROUTING).
struct InterruptRoute: Equatable, Sendable {
    var address: UInt32
    var data: UInt32

    var vector: UInt8 { UInt8(truncatingIfNeeded: data) }
    var destination: UInt64 { UInt64(address >> 12 & 0xFF) }
    /// HV_INTERRUPT_TYPE: the delivery mode has the same numbers.
    var type: UInt32 { data >> 8 & 0x7 }
    var isLevelTriggered: Bool { data >> 15 & 1 == 1 }
    var isLogical: Bool { address >> 2 & 1 == 1 }
}

/// A partition's interrupt lines and the eventfds that raise them.
final class InterruptDelivery: Sendable {
    private struct State {
        var routes: [UInt32: InterruptRoute] = [:]
        var irqfds: [Irqfd] = []
    }

    private let hypervisor: EmbeddedHypervisor
    private let partition: PartitionID
    private let pump: IrqfdPump
    private let state = Mutex(State())

    init(hypervisor: EmbeddedHypervisor, partition: PartitionID, pump: IrqfdPump) {
        self.hypervisor = hypervisor
        self.partition = partition
        self.pump = pump
    }

    func setRoutes(_ routes: [UInt32: InterruptRoute]) {
        state.withLock { $0.routes = routes }
    }

    // MARK: irqfds

    /// - Throws: EBUSY where the eventfd raises a line of this partition already; EINVAL for a resampling one whose
    ///   line is not level-triggered; what a thread costs where there is none.
    func add(_ event: EventHandle, resample: EventHandle?, line: UInt32) throws(Errno) {
        let irqfd = Irqfd(event: event, resample: resample, line: line, delivery: self)
        try state.withLock { state throws(Errno) in
            if resample != nil, state.routes[line]?.isLevelTriggered != true { throw Errno(EINVAL) }
            guard !state.irqfds.contains(where: { $0.event.identity == event.identity }) else { throw Errno(EBUSY) }
            state.irqfds.append(irqfd)
        }
        do throws(Errno) {
            // An event that is there already raises the line at once.
            try pump.add(irqfd)
        } catch {
            state.withLock { $0.irqfds.removeAll { $0 === irqfd } }
            throw error
        }
    }

    /// Ends the irqfds of an eventfd and a line. When it returns, none of them raises anything any more.
    func remove(event: UInt64, line: UInt32) {
        remove { $0.event.identity == event && $0.line == line }
    }

    func removeAll() {
        remove { _ in true }
    }

    private func remove(where matches: (Irqfd) -> Bool) {
        let removed = state.withLock { state in
            let removed = state.irqfds.filter(matches)
            state.irqfds.removeAll(where: matches)
            return removed
        }
        for irqfd in removed {
            irqfd.deactivate()
            pump.remove(irqfd)
        }
    }

    // MARK: Interrupts

    /// Raises a line, where it leads somewhere.
    func raise(_ line: UInt32) {
        guard let route = state.withLock({ $0.routes[line] }) else { return }
        // HV_INPUT_ASSERT_VIRTUAL_INTERRUPT.
        let control =
            UInt64(route.type) | (route.isLevelTriggered ? 1 << 32 : 0) | (route.isLogical ? 1 << 33 : 0)
        var input: [UInt8] = []
        for word in [partition.rawValue, control, route.destination, UInt64(route.vector)] {
            withUnsafeBytes(of: word.littleEndian) { input.append(contentsOf: $0) }
        }
        let result = input.withUnsafeBytes {
            hypervisor.port.execute(
                ControlWord(.assertVirtualInterrupt), input: $0,
                output: UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
        // As the driver: nobody is told of an interrupt that the hypervisor refuses.
        _ = result
    }

    /// Signals the resampling irqfds of an interrupt that ended: those whose line has the vector's number, as in the
    /// driver, or leads to the vector.
    func acknowledge(vector: UInt8) -> Bool {
        let resamples = state.withLock { state in
            state.irqfds.filter { irqfd in
                irqfd.resample != nil
                    && (irqfd.line == UInt32(vector) || state.routes[irqfd.line]?.vector == vector)
            }
        }
        for irqfd in resamples { irqfd.resample?.signal() }
        return !resamples.isEmpty
    }
}
