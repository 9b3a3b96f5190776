import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Calls as the manager makes them: encoded by the client, dispatched, and answered by the embedded hypervisor. The peer
/// copies the same bytes with `memcpy`.
final class HypercallBenchmark {
    private let hypervisor: EmbeddedHypervisor
    private let partition: Partition
    private let client: HypercallClient
    private let memory: MemoryMapping

    init() throws {
        hypervisor = EmbeddedHypervisor(engine: IdleEngine(), firstPartitionID: PartitionID(rawValue: 2))
        partition = try Partition(on: hypervisor, flags: [])
        try partition.createVP(0)
        client = HypercallClient(hypervisor.port)
        memory = try MemoryMapping(anonymous: Self.mappedPages * pageSize)
        hypervisor.registerRootMemory(base: memory.base, count: memory.count)
    }

    private static let mappedPages = 512
    private static let registerCount = 64

    func run() throws -> [String] {
        let id = partition.id
        let simple = try Measurement.compare(times: 20_000) { times in
            for _ in 0..<times { _ = try client.partitionProperty(.cpuWeight, of: id) }
        } peer: {
            Self.copy(bytes: 16 + 8, times: $0)
        }

        // General and table registers again and again: 64 in one call.
        let names: [RegisterName] = [.rax, .rcx, .rdx, .rbx, .rsi, .rdi, .r8, .r9]
        let registers = (0..<Self.registerCount).map {
            RegisterAssociation(names[$0 % names.count], RegisterValue(UInt64($0)))
        }
        let set = try Measurement.compare(times: 2000) { times in
            for _ in 0..<times { try client.setRegisters(registers, of: 0, in: id) }
        } peer: {
            Self.copy(bytes: 16 + 32 * Self.registerCount, times: $0)
        }

        let page = UInt64(UInt(bitPattern: memory.base)) / 4096
        let flags = UnmapGPAFlags()
        let map = try Measurement.compare(times: 200) { times in
            for _ in 0..<times {
                try client.mapGPAPages(id, gpaPage: 0, flags: [.readable, .writable], count: Self.mappedPages) {
                    page + UInt64($0)
                }
                try client.unmapGPAPages(id, gpaPage: 0, flags: flags, count: Self.mappedPages)
            }
        } peer: {
            Self.copy(bytes: 2 * 24 + 8 * Self.mappedPages + 24, times: $0)
        }
        return [
            simple.line("simple call (HvCallGetPartitionProperty)", peer: "memcpy of 24 bytes"),
            set.line("HvCallSetVpRegisters, 64 registers", peer: "memcpy of 2064 bytes"),
            map.line("map of 512 pages, and their unmap", peer: "memcpy of 4168 bytes"),
        ]
    }

    private static func copy(bytes: Int, times: Int) {
        let source = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        let target = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer {
            source.deallocate()
            target.deallocate()
        }
        memset(source, 1, bytes)
        for time in 0..<times {
            source.storeBytes(of: UInt8(truncatingIfNeeded: time), as: UInt8.self)
            copyOnce(target, source, bytes)
        }
    }

    /// Kept out of line, so that the copies are made.
    @inline(never) private static func copyOnce(
        _ target: UnsafeMutableRawPointer, _ source: UnsafeMutableRawPointer, _ bytes: Int
    ) { memcpy(target, source, bytes) }
}
