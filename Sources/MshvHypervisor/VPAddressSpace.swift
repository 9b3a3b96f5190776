import HypercallABI
import HypercallCore
import InstructionEmulator

/// Guest memory as an instruction of one processor reaches it: page tables by the hypervisor, memory by this process.
struct VPAddressSpace: GuestAddressSpace {
    let memory: MshvMemory
    let calls: RootHypercall
    let vp: VPIndex
    /// The privilege level of the instruction.
    let cpl: UInt8
    /// A translation that came with the intercept: page addresses, linear and physical.
    let known: (linear: UInt64, gpa: UInt64)?
    /// Why the hypervisor could not translate; the instruction then ends with a fault that means nothing.
    private(set) var failure: String?

    private static let pageMask: UInt64 = 0xFFF

    init(
        memory: MshvMemory, calls: RootHypercall, vp: VPIndex, cpl: UInt8, known: (linear: UInt64, gpa: UInt64)?
    ) {
        self.memory = memory
        self.calls = calls
        self.vp = vp
        self.cpl = cpl
        self.known = known
    }

    mutating func translate(_ linear: UInt64, for access: MemoryAccess) throws(GuestFault) -> UInt64 {
        let offset = linear & Self.pageMask
        // The intercept was taken after the walk for this access, so it is permitted; a fetch was not checked.
        if let known, known.linear == linear & ~Self.pageMask, access != .execute { return known.gpa | offset }
        // Validate reads, writes or fetches, and set accessed and dirty bits as the processor would.
        let validate: UInt64 =
            switch access {
            case .read: 0x1
            case .write: 0x3
            case .execute: 0x5
            }
        let input = [0, UInt64(vp), validate | 0x10, linear >> 12]
        var output: [UInt64] = [0, 0]
        let status = calls.words(.translateVirtualAddress, input, output: &output)
        guard status == .success else {
            failure = "translating the linear address 0x\(hex(linear)): \(status)"
            throw GuestFault(vector: 14, errorCode: 0, address: linear)
        }
        let result = UInt32(truncatingIfNeeded: output[0])
        switch result {
        // Also where nothing is mapped or writable behind the guest's own tables: that is a device's page.
        case 0, 4, 5, 6: return output[1] << 12 | offset
        case 1, 2, 3:
            let isWrite: UInt32 = access == .write ? 1 << 1 : 0
            let isUser: UInt32 = cpl == 3 ? 1 << 2 : 0
            let isReserved: UInt32 = result == 3 ? 1 << 3 : 0
            let isFetch: UInt32 = access == .execute ? 1 << 4 : 0
            throw GuestFault(
                vector: 14, errorCode: (result == 1 ? 0 : 1) | isWrite | isUser | isReserved | isFetch,
                address: linear)
        default:
            failure = "translating the linear address 0x\(hex(linear)): result code \(result)"
            throw GuestFault(vector: 14, errorCode: 0, address: linear)
        }
    }

    mutating func read(_ gpa: UInt64, count: Int) -> [UInt8]? { memory.read(gpa, count: count) }

    mutating func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool { memory.write(gpa, bytes) }
}
