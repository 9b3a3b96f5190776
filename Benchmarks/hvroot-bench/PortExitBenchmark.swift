import CPortLoop
import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem

/// One port access of a guest, from the exit to the next entry: our processor's `run` against a bare loop in C, on the
/// same guest code.
struct PortExitBenchmark {
    /// again: out 0xF4,al; jmp again
    private static let code: [UInt8] = [0xE6, 0xF4, 0xEB, 0xFC]
    private static let memorySize = 16 * pageSize

    func run() throws -> [String] {
        let memory = try MemoryMapping(anonymous: Self.memorySize)
        UnsafeMutableRawBufferPointer(start: memory.base + 0x1000, count: Self.code.count).copyBytes(from: Self.code)
        let partition = try KvmEngine().createPartition(
            EnginePartitionConfiguration(partitionID: PartitionID(rawValue: 2), vpCount: 1))
        defer { partition.close() }
        try partition.map(
            gpa: 0, hostAddress: UInt(bitPattern: memory.base), count: UInt64(memory.count), access: .all)
        let vp = try partition.createVP(0)
        let code = SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x9B)
        let data = SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x93)
        try vp.setRegisters([
            RegisterAssociation(.cs, RegisterValue(code)), RegisterAssociation(.ds, RegisterValue(data)),
            RegisterAssociation(.es, RegisterValue(data)), RegisterAssociation(.ss, RegisterValue(data)),
            RegisterAssociation(.rip, 0x1000), RegisterAssociation(.rflags, 2),
        ])
        guard let loop = Self.code.withUnsafeBytes({ port_loop_make($0.baseAddress, $0.count, Self.memorySize) }) else {
            throw Errno.last
        }
        defer { port_loop_end(loop) }
        let exit = try Measurement.compare(times: 5000) { times in
            for _ in 0..<times {
                guard case .portWrite = vp.run() else { throw HypervisorError("an exit that is no port access") }
            }
        } peer: { times in
            if port_loop_run(loop, times) != 0 { throw Errno.last }
        }
        withExtendedLifetime(memory) {}
        return [exit.line("port-I/O exit on /dev/kvm", peer: "the same in bare C")]
    }
}
