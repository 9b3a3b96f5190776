import HypercallABI
import HypercallCore
import InstructionEmulator

/// Guest memory as one processor sees it, by hypercalls: for looking at instructions, not for doing them.
struct HypercallAddressSpace: GuestAddressSpace {
    let client: HypercallClient
    let partition: PartitionID
    let vp: VPIndex

    private static let pageMask: UInt64 = 0xFFF

    mutating func translate(_ linear: UInt64, for access: MemoryAccess) throws(GuestFault) -> UInt64 {
        // Without rights: the instruction has been through its own checks.
        let input = TranslateGVAInput(partition: partition, index: vp, flags: [], gvaPage: linear >> 12)
        guard let output = try? client.translateGVA(input),
            [.success, .gpaUnmapped, .gpaNoReadAccess, .gpaNoWriteAccess].contains(output.result)
        else { throw GuestFault(vector: 14, errorCode: 0, address: linear) }
        return output.gpaPage << 12 | linear & Self.pageMask
    }

    mutating func read(_ gpa: UInt64, count: Int) -> [UInt8]? {
        let input = AccessGPAInput(
            partition: partition, index: vp, byteCount: UInt32(clamping: min(count, AccessGPAInput.maximumBytes)),
            gpa: gpa)
        guard let output = try? client.readGPA(input), output.result == .success else { return nil }
        return Array(output.data.bytes.prefix(count))
    }

    /// Nothing is written: the write is taken for done.
    mutating func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool { true }

    /// Up to `count` (at most 16) bytes from a linear address; fewer where the next page is not there.
    mutating func code(at linear: UInt64, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let place = linear &+ UInt64(bytes.count)
            let part = min(count - bytes.count, 4096 - Int(place & Self.pageMask))
            guard let gpa = try? translate(place, for: .execute), let some = read(gpa, count: part) else { break }
            bytes += some
        }
        return bytes
    }
}
