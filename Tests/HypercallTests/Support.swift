import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Gives the processor away for a moment.
func breathe() { usleep(200) }

/// Waits up to ten seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<50_000 {
        if condition() { return true }
        breathe()
    }
    return condition()
}

/// An embedded hypervisor on a fake engine, with some of this process's addresses as root memory. Nothing touches the
/// memory itself.
final class Bench: Sendable {
    let engine: FakeEngine
    let hypervisor: EmbeddedHypervisor
    let client: HypercallClient
    let memory: MemoryMapping
    static let memorySize = 64 << 20

    init(engine: FakeEngine = FakeEngine(), vpCount: Int = 4) throws {
        self.engine = engine
        hypervisor = EmbeddedHypervisor(
            engine: engine, firstPartitionID: PartitionID(rawValue: 7), vpCount: vpCount)
        client = HypercallClient(hypervisor.port)
        memory = try MemoryMapping(anonymous: Self.memorySize, accessible: false, alignment: 2 << 20)
        hypervisor.registerRootMemory(base: memory.base, count: memory.count)
    }

    /// The root's number of the memory's first page.
    var firstPage: UInt64 { UInt64(UInt(bitPattern: memory.base)) / 4096 }

    /// Page numbers of the memory.
    func pages(_ range: Range<UInt64>) -> [UInt64] { range.map { firstPage + $0 } }

    /// A partition in the state that most calls need, with `deposit` pages from the memory's upper half.
    func activePartition(deposit: UInt64 = 1024) throws -> PartitionID {
        let id = try client.createPartition(CreatePartitionInput(flags: [.lapicEnabled]))
        try client.depositMemory(pages(8192..<(8192 + deposit)), to: id)
        try client.initializePartition(id)
        return id
    }

    /// Executes bytes as they are.
    func execute(_ control: ControlWord, _ input: [UInt8], output: Int = 0) -> (ResultWord, [UInt8]) {
        var outputBytes = [UInt8](repeating: 0xEE, count: output)
        let result = input.withUnsafeBytes { input in
            outputBytes.withUnsafeMutableBytes { output in
                hypervisor.port.execute(control, input: input, output: output)
            }
        }
        return (result, outputBytes)
    }
}

/// The status with which a call of the client fails, or success.
func status(_ call: () throws -> Void) -> HypercallStatus {
    do {
        try call()
        return .success
    } catch let failure as HypercallFailure {
        return failure.status
    } catch {
        return HypercallStatus(rawValue: .max)
    }
}
