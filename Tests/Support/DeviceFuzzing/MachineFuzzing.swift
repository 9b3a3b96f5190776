import BlockStorage
import FuzzSupport
import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization
import Virtio
import VirtualDevices

/// Drives the PCI bus of a machine and its virtio devices from bytes alone: what a guest's processors do to ports,
/// configuration spaces, registers and memory, and what happens to the bus meanwhile.
package enum MachineFuzzing {
    /// - Returns: false where a device is not what it was after a reset, or answers with more bits than were asked for.
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let arena = FuzzMemory.shared, let machine = try? FuzzMachine(arena.memory) else { return false }
        arena.clear()
        var input = FuzzBytes(bytes)
        let kind = input.byte()
        guard machine.populate(FuzzMachine.Third(kind)) else { return false }
        let before = machine.identities
        defer { machine.stop() }
        while !input.isAtEnd {
            guard step(machine, arena, &input) else { return false }
        }
        machine.bridge.reset()
        return machine.identities == before
    }

    private static func step(_ machine: FuzzMachine, _ arena: FuzzMemory, _ input: inout FuzzBytes) -> Bool {
        let kind = input.byte()
        let size = [1, 2, 4, 8][Int(kind >> 4 & 3)]
        switch kind & 15 {
        case 0: arena.write(&input)
        case 1, 2: arena.writeDescriptor(&input, isPacked: kind & 0x80 != 0)
        // The configuration ports, and whatever else is on that bus.
        case 3:
            let port = 0xCF8 + UInt64(input.byte() & 7)
            return machine.access(machine.ports, port, min(size, 4), kind & 0x80 != 0 ? input.address() : nil)
        case 4:
            let address: UInt64 = 0x8000_0000 | UInt64(input.byte() & 3) << 11 | UInt64(input.byte() & 0xFC)
            machine.ports.write(address: 0xCF8, size: 4, value: address)
        // ECAM.
        case 5, 6:
            let place = UInt64(input.byte() & 3) << 15 | UInt64(input.half() & 0xFFF)
            return machine.access(
                machine.mmio, Platform.ecamBase + place, size, kind & 0x80 != 0 ? input.address() : nil)
        // A device's registers, wherever they are now.
        case 7, 8, 9:
            guard let base = machine.base(slot: Int(input.byte() & 3), bar: kind & 0x40 != 0 ? 2 : 0) else { break }
            let offset = UInt64(input.half() & 0x3FFF)
            return machine.access(
                machine.mmio, base &+ offset, size, kind & 0x80 != 0 ? UInt64(input.byte()) : nil)
        case 10: return machine.access(machine.mmio, input.address(), size, kind & 0x80 != 0 ? input.address() : nil)
        // What a driver does, so that fewer bytes are needed for it.
        case 11, 12: machine.startDriver(slot: Int(input.byte() & 3), &input)
        case 13: machine.notify(slot: Int(input.byte() & 3), queue: UInt64(input.byte() & 3))
        case 14: machine.bridge.reset()
        default: machine.plug(slot: Int(input.byte() & 31), isInsert: kind & 0x80 != 0)
        }
        return true
    }
}

/// The part of a machine that is fuzzed.
private final class FuzzMachine {
    let ports = Bus(name: "port I/O")
    let mmio = Bus(name: "MMIO")
    let bridge: PCIHostBridge
    private let memory: GuestMemory
    private var virtio: [VirtioPCI] = []
    private var spare: [any PCIFunction] = []
    /// The feature bits that a driver of slot 3 wants beside those of all devices.
    private var ownFeatures: UInt64 = 0
    /// What the host does with the device of slot 3 when the guest notifies it.
    private var act: () -> Void = {}

    init(_ memory: GuestMemory) throws {
        self.memory = memory
        bridge = PCIHostBridge(
            windows: PCIWindows(
                low: Platform.pciLowWindow, high: Platform.pciHighWindow(memoryEnd: memory.end),
                ports: Platform.pciPortWindow), ports: ports, mmio: mmio)
        try mmio.insert(PCIExpressConfiguration(bridge), at: Platform.ecamBase, count: PCIHostBridge.ecamSize)
        let power = PowerControl(onRequest: { _ in })
        try ports.insert(
            PCIConfigurationPorts(bridge, resetControl: power.resetControl), at: UInt64(Platform.pciConfigurationPort),
            count: Platform.pciConfigurationCount)
    }

    enum Third {
        case disk, network, balloon, console, vsock

        init?(_ byte: UInt8) {
            switch (byte & 1, byte & 2, byte >> 2 & 3) {
            case (1, _, _): self = .disk
            case (_, 2, _): self = .network
            case (_, _, 1): self = .balloon
            case (_, _, 2): self = .console
            case (_, _, 3): self = .vsock
            default: return nil
            }
        }
    }

    /// Entropy in slot 1, pvpanic in slot 2, what the input wants in slot 3.
    func populate(_ third: Third?) -> Bool {
        add(EntropyDevice())
        let panic = PanicDevice(onEvents: { _ in }).function
        switch third {
        case .disk: add(BlockDevice(FuzzImage(), queues: 2, serial: "FUZZ"))
        case .network:
            guard let network = try? FuzzNetwork(), let mac = MACAddress([2, 0, 0, 0, 0, 1]) else { return false }
            add(NetDevice(network, mac: mac))
            ownFeatures = 1 << 17
        case .balloon:
            let balloon = BalloonDevice(target: 1 << 20)
            add(balloon)
            ownFeatures = balloon.features
            act = { balloon.requestStatistics() }
        case .console:
            let console = ConsoleDevice(size: .init(columns: 80, rows: 25), output: { _ in })
            add(console)
            ownFeatures = console.features
            act = { _ = console.receive([1, 2, 3]) }
        case .vsock:
            guard let host = FuzzVsock.host else { return false }
            add(VsockDevice(cid: 3, host: host))
            act = { usleep(100) }
        case nil: break
        }
        do {
            try bridge.insert(virtio[0].function, at: 1)
            try bridge.insert(panic, at: 2)
            if third != nil { try bridge.insert(virtio[1].function, at: 3) }
            return true
        } catch {
            return false
        }
    }

    private func add(_ device: any VirtioDevice) {
        virtio.append(
            VirtioPCI(device, classCode: (base: 0xFF, sub: 0), memory: memory, deliver: { _, _ in }, report: { _ in }))
    }

    func stop() { for device in virtio { device.stop() } }

    /// What says which function is in each slot: the same for ever.
    var identities: [UInt32] {
        (0..<4).map { slot in read(slot, PCIRegister.vendorID) ^ read(slot, PCIRegister.revisionID) }
            + (0..<4).map { read($0, PCIRegister.bar(0)) } + (0..<4).map { read($0, PCIRegister.command) }
    }

    private func read(_ slot: Int, _ offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: mmio.read(address: Platform.ecamBase + UInt64(slot) << 15 + UInt64(offset), size: 4))
    }

    func access(_ bus: Bus, _ address: UInt64, _ size: Int, _ value: UInt64?) -> Bool {
        if let value {
            bus.write(address: address, size: size, value: size == 8 ? value : value & (1 << UInt64(8 * size) - 1))
            return true
        }
        let answer = bus.read(address: address, size: size)
        // Nobody is there, or the answer fits.
        return size == 8 || answer == .max || answer >> UInt64(8 * size) == 0
    }

    /// Where the registers behind a base address register are; nil where the guest turned them off.
    func base(slot: Int, bar: Int) -> UInt64? {
        guard read(slot, PCIRegister.command) & 2 != 0 else {
            let place = Platform.ecamBase + UInt64(slot) << 15 + UInt64(PCIRegister.command)
            mmio.write(address: place, size: 2, value: 6)
            return nil
        }
        let low = UInt64(read(slot, PCIRegister.bar(bar)))
        return low & ~15 | UInt64(read(slot, PCIRegister.bar(bar + 1))) << 32
    }

    /// What virtio 1.2, 3.1 wants of a driver, with queues where `FuzzMemory` has them.
    func startDriver(slot: Int, _ input: inout FuzzBytes) {
        guard let base = base(slot: slot, bar: 0) else { return }
        func write(_ offset: UInt64, _ size: Int, _ value: UInt64) {
            mmio.write(address: base &+ offset, size: size, value: value)
        }
        let (features, size) = (input.byte(), input.byte())
        write(0x14, 1, 0)
        write(0x14, 1, 3)
        // VERSION_1 and, by the input, RING_PACKED, INDIRECT_DESC and EVENT_IDX.
        write(0x08, 4, 1)
        write(0x0C, 4, 1 | UInt64(features & 4))
        write(0x08, 4, 0)
        write(0x0C, 4, UInt64(features & 3) << 28 | (slot == 3 && features & 8 != 0 ? ownFeatures : 0))
        write(0x14, 1, 11)
        // A device with fewer queues takes no notice.
        for queue: UInt64 in 0..<4 {
            write(0x16, 2, queue)
            write(0x18, 2, 1 << UInt64(size & 7))
            write(0x1A, 2, queue)
            for (offset, area) in [
                (UInt64(0x20), FuzzMemory.descriptors), (0x28, FuzzMemory.driverArea), (0x30, FuzzMemory.deviceArea),
            ] {
                write(offset, 4, area)
                write(offset + 4, 4, 0)
            }
            write(0x1C, 2, 1)
        }
        write(0x14, 1, 15)
    }

    func notify(slot: Int, queue: UInt64) {
        guard let base = base(slot: slot, bar: 0) else { return }
        mmio.write(address: base &+ 0x3000 + 4 * queue, size: 2, value: queue)
        // Disk and network have threads of its own: a moment for them, so that an input mostly does what it did before.
        guard slot == 3 else { return }
        usleep(100)
        act()
    }

    /// A function that comes and goes while the guest touches the bus; slots 0 to 3 keep theirs.
    func plug(slot: Int, isInsert: Bool) {
        guard slot > 3 else { return }
        if isInsert {
            _ = try? bridge.insert(PanicDevice(onEvents: { _ in }).function, at: slot)
        } else {
            bridge.remove(at: slot)
        }
    }
}

/// The host's side of the vsock device: one for all runs, to which nobody connects.
private enum FuzzVsock {
    static let host: VsockHost? = {
        var template = Array("/tmp/hvroot-fuzz-XXXXXX".utf8CString)
        let directory = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        return directory.flatMap { try? VsockHost(directory: $0, name: "v") }
    }()
}

/// A disk of a MiB without a file: reads give a pattern, writes vanish.
private final class FuzzImage: BlockImage {
    let byteCount: UInt64 = 1 << 20
    let geometry = BlockGeometry()
    let isReadOnly = false

    func refreshSize() throws(BlockStorageError) -> UInt64 { byteCount }
    func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine { Engine() }

    private final class Engine: BlockEngine {
        private var ended: [BlockCompletion] = []
        var descriptor: Int32? { nil }
        var name: String { "none" }

        func submit(_ operation: BlockOperation) {
            if operation.kind == .read {
                // Sound: the vectors are the engine's until the operation ends.
                for vector in operation.vectors { memset(vector.iov_base, 0x5C, vector.iov_len) }
            }
            ended.append(BlockCompletion(token: operation.token, error: nil))
        }

        func kick() {}

        func reap() -> [BlockCompletion] {
            defer { ended = [] }
            return ended
        }
    }
}
