import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing

/// Whether this machine has a `/dev/kvm` that we may open; suites that need it say so with `.enabled(if:)`.
let hasKVM = access("/dev/kvm", R_OK | W_OK) == 0

/// A partition of one or more processors with memory at 0, for a few hand-made instructions.
final class SmallMachine {
    let memory: MemoryMapping
    let partition: any EnginePartition
    let processors: [any EngineVP]
    var vp: any EngineVP { processors[0] }

    init(pages: Int = 16, vpCount: Int = 1, engine: KvmEngine? = nil) throws {
        memory = try MemoryMapping(anonymous: pages * pageSize)
        let engine = try engine ?? KvmEngine()
        let partition = try engine.createPartition(
            EnginePartitionConfiguration(partitionID: PartitionID(rawValue: 3), vpCount: vpCount))
        self.partition = partition
        processors = try (0..<vpCount).map { try partition.createVP(UInt32($0)) }
        try partition.map(gpa: 0, hostAddress: host(0), count: UInt64(memory.count), access: .all)
    }

    deinit { partition.close() }

    func host(_ gpa: UInt64) -> UInt { UInt(bitPattern: memory.base) + UInt(gpa) }

    func write(_ bytes: [UInt8], at gpa: Int) {
        UnsafeMutableRawBufferPointer(start: memory.base + gpa, count: bytes.count).copyBytes(from: bytes)
    }

    func byte(at gpa: Int) -> UInt8 { memory.base.load(fromByteOffset: gpa, as: UInt8.self) }

    /// Puts `code` at 0x1000 and processor 0 there, in real mode with flat segments of 64 KiB (DS with a base of 0).
    func load(_ code: [UInt8], and more: [RegisterAssociation] = []) throws {
        write(code, at: 0x1000)
        let code = SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x9B)
        let data = SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x93)
        try vp.setRegisters(
            [
                RegisterAssociation(.cs, RegisterValue(code)), RegisterAssociation(.ds, RegisterValue(data)),
                RegisterAssociation(.es, RegisterValue(data)), RegisterAssociation(.ss, RegisterValue(data)),
                RegisterAssociation(.rip, 0x1000), RegisterAssociation(.rflags, 2),
            ] + more)
    }
}

/// Cancels a processor that is still running after a while, so that no test hangs.
final class Watchdog {
    private let done: EventFD
    private let thread: SystemThread

    init(_ vp: any EngineVP, milliseconds: Int32 = 8000) throws {
        let done = try EventFD()
        self.done = done
        thread = try SystemThread(name: "watchdog") {
            var wait = pollfd(fd: done.raw, events: Int16(POLLIN), revents: 0)
            if poll(&wait, 1, milliseconds) == 0 { vp.cancelRun() }
        }
    }

    deinit {
        done.signal()
        thread.join()
    }
}
