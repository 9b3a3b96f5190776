import BootLoader
import GuestMemory
import HypercallABI
import Hypervisor
import LinuxSystem
import Log
import Synchronization
import Virtio
import VirtualDevices

/// One life of a machine, from power-on to the next reset: a partition with its memory, processors and devices, and
/// what each exit of a processor does. It runs nothing by itself; `Machine` gives it threads, `SteppedMachine` steps.
final class MachineCore: Sendable {
    let partition: Partition
    let chassis: Chassis
    private let created: Mutex<[any VirtualProcessor]>
    private let memory: GuestMemory

    /// Builds the machine up to the point where processor 0 can run.
    ///
    /// - Parameters:
    ///   - memory: the guest's memory, zeroed; it outlives the core.
    ///   - image: what to load into it; nil where no guest code will run.
    ///   - present: how many processors the guest begins with; nil: as the configuration says.
    ///   - growth: bytes that the guest should have beyond its memory, where that can grow.
    ///   - devices: for this life.
    ///   - output: gets what the guest sends to its serial port.
    ///   - request: called when the guest asks to be powered off or reset.
    ///   - panic: called when the guest's kernel says that it panicked.
    /// - Throws: `MachineError` with the step that failed. Nothing is left behind then.
    init(
        _ configuration: MachineConfiguration, on backend: any HypervisorBackend, memory: GuestMemory,
        image: BootImage?, present: Int? = nil, devices: [any MachineDevice] = [], growth: UInt64 = 0,
        fixed: FixedDevices.Life = FixedDevices.Life(),
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        request: @escaping @Sendable (PowerRequest) -> Void,
        panic: @escaping @Sendable (PanicDevice.Events) -> Void = { _ in },
        slotEvents: Chassis.SlotEvents = Chassis.SlotEvents()
    ) throws(MachineError) {
        self.memory = memory
        do {
            let partition = try Partition(on: backend, flags: [.lapicEnabled, .x2apicCapable, .exoPartition])
            self.partition = partition
            for region in memory.regions {
                try partition.map(gpa: region.gpa, memory: region.hostBase, count: Int(region.count), writable: true)
            }
            let present = present ?? configuration.vpCount
            for index in 0..<present { try partition.createVP(VPIndex(index)) }
            chassis = try Chassis(
                memory: memory, partition: partition.hotPath, devices: devices, vpCount: configuration.vpCount,
                processors: configuration.maximumVPCount.map { (present, $0) },
                withheldFeatures: configuration.withheldFeatures,
                growth: memory.growth.map { MemoryDevice($0, requested: growth, backend: partition.memoryBackend) },
                fixed: fixed, output: output, request: request, panic: panic, slotEvents: slotEvents)
            var processors: [any VirtualProcessor] = []
            for index in 0..<present {
                processors.append(try partition.hotPath.virtualProcessor(VPIndex(index)))
            }
            created = Mutex(processors)
            if let image {
                var tables = ACPITables.Configuration(
                    vpCount: present, maximumVPCount: configuration.maximumVPCount, memoryEnd: memory.end)
                tables.hasWatchdog = fixed.watchdog != nil
                for table in ACPITables.build(tables) {
                    try memory.write(table.gpa, table.bytes)
                }
                try memory.write(ResetVector.address, ResetVector.code)
                let registers = try image.load(into: memory, acpiRSDP: ACPITables.rsdpAddress)
                try partition.setRegisters(registers, vp: 0)
            }
        } catch {
            // A partition that was made is taken down by its last reference.
            throw MachineError("\(error)")
        }
    }

    /// The processors that were made, those that the guest gave back among them: 0, 1, ... without gaps.
    var processors: [any VirtualProcessor] { created.withLock { $0 } }

    /// The processor with this number, which is made where it is the next one.
    ///
    /// - Throws: `MachineError` where the hypervisor can't make it.
    func processor(_ index: Int) throws(MachineError) -> any VirtualProcessor {
        do {
            return try created.withLock { created in
                if index < created.count { return created[index] }
                try partition.createVP(VPIndex(index))
                created.append(try partition.hotPath.virtualProcessor(VPIndex(index)))
                return created[created.count - 1]
            }
        } catch {
            throw MachineError("processor \(index): \(error)")
        }
    }

    /// What to do after an exit.
    enum Outcome {
        case runAgain
        /// Nothing to run before `wakeAt` (monotonic nanoseconds) or an interrupt.
        case idle(wakeAt: UInt64?)
        /// The processor can't go on.
        case end(MachineEnd)
    }

    /// Does what `exit` of `processor` asks for. On the processor's own thread.
    func handle(_ exit: VPExit, of processor: any VirtualProcessor) -> Outcome {
        switch exit {
        case .portRead(let port, let size):
            processor.completeRead(chassis.ports.read(address: UInt64(port), size: Int(size)))
        case .portWrite(let port, let size, let value):
            chassis.ports.write(address: UInt64(port), size: Int(size), value: UInt64(value))
        case .mmioRead(let gpa, let size):
            processor.completeRead(chassis.mmio.read(address: gpa, size: Int(size)))
        case .mmioWrite(let gpa, let size, let value):
            chassis.mmio.write(address: gpa, size: Int(size), value: value)
        case .apicEOI(let vector):
            chassis.ioAPIC.endOfInterrupt(vector: vector)
        case .halt(let wakeAt):
            return .idle(wakeAt: wakeAt)
        case .msrRead, .msrWrite:
            processor.failAccess()
        case .cpuid, .exception:
            // The machine installs no intercept of either.
            return .end(
                .failed("processor \(processor.index) stopped for \(exit.reason.label), which nobody asked for"))
        case .hypercall(let control):
            return .end(
                .failed("processor \(processor.index) made the hypercall \(control.code), which nobody answers"))
        case .unrecoverableException:
            return .end(.crashed(.tripleFault, "processor \(processor.index) took a triple fault"))
        case .interrupted:
            break
        case .failed(let reason):
            return .end(.failed("processor \(processor.index): \(reason)"))
        }
        return .runAgain
    }

    /// Writes the guest's memory and registers down, as `MachineConfiguration.coreDump` says. No processor may run any
    /// more.
    func dump(directory: String, name: String) throws(Errno) {
        chassis.stop()
        try CoreDump(memory: memory, partition: partition, vpCount: processors.count)
            .write(directory: directory, name: name)
    }

    /// Gives the partition back. No processor may run any more.
    func tearDown() {
        chassis.dismantle()
        partition.destroy()
    }
}

extension Partition {
    /// Maps what a memory device plugs. The partition may be gone before the device's last request is.
    fileprivate var memoryBackend: MemoryDevice.Backend {
        MemoryDevice.Backend(
            map: { [weak self] gpa, memory, count in
                guard let self else { return false }
                return Self.succeeds { () throws(HypervisorError) in
                    try map(gpa: gpa, memory: memory, count: Int(count), writable: true)
                }
            },
            unmap: { [weak self] gpa, count in
                guard let self else { return true }
                return Self.succeeds { () throws(HypervisorError) in try unmap(gpa: gpa, count: count) }
            })
    }

    private static func succeeds(_ body: () throws(HypervisorError) -> Void) -> Bool {
        do throws(HypervisorError) {
            try body()
            return true
        } catch {
            Log.warning("memory could not be plugged or unplugged", ["reason": error.description])
            return false
        }
    }
}
