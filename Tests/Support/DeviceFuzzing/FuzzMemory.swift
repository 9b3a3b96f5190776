import FuzzSupport
import Glibc
import GuestMemory

/// The guest memory of a fuzzer's runs, one after the other: that there is only one makes runs cheap.
final class FuzzMemory: Sendable {
    static let shared = try? FuzzMemory()

    static let descriptors: UInt64 = 0x1000
    static let driverArea: UInt64 = 0x2000
    static let deviceArea: UInt64 = 0x3000
    /// What descriptors point to, for the most part.
    static let buffers: UInt64 = 0x4000
    /// Only so much is written to, and is zero again before the next run.
    static let used = 0x1_0000

    let memory: GuestMemory

    private init() throws { memory = try GuestMemory(size: 2 << 20) }

    func clear() {
        guard let bytes = memory.slice(0, Self.used), let base = bytes.baseAddress else { return }
        memset(base, 0, bytes.count)
    }

    /// Up to eight bytes anywhere in what is used.
    func write(_ input: inout FuzzBytes) {
        let place = UInt64(input.half())
        let count = Int(input.byte() & 7) + 1
        try? memory.write(place, (0..<count).map { _ in input.byte() })
    }

    /// A descriptor, and mostly its place in the ring of what is available too.
    func writeDescriptor(_ input: inout FuzzBytes, isPacked: Bool) {
        let index = UInt64(input.byte() & 15)
        let kind = input.byte()
        let table = kind & 1 != 0 ? Self.buffers : Self.descriptors
        let address = kind & 2 != 0 ? input.address() : Self.buffers + UInt64(input.byte()) * 64
        let count = kind & 4 != 0 ? UInt32(truncatingIfNeeded: input.address()) : UInt32(input.byte())
        // NEXT, WRITE and INDIRECT are the three lowest flags; AVAIL and USED are bits 7 and 15.
        let flags = UInt16(input.byte() & 0x87) | UInt16(kind & 0x80) << 8
        let other = UInt16(input.byte() & 31)
        let place = table + 16 * index
        try? memory.store(place, address)
        try? memory.store(place + 8, count)
        try? memory.store(place + 12, isPacked ? other : flags)
        try? memory.store(place + 14, isPacked ? flags : other)
        guard !isPacked, kind & 8 != 0, let next = try? memory.load(Self.driverArea + 2, as: UInt16.self) else {
            return
        }
        try? memory.store(Self.driverArea + 4 + 2 * UInt64(next & 7), UInt16(index))
        try? memory.store(Self.driverArea + 2, next &+ 1)
    }
}

extension FuzzBytes {
    mutating func half() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

    /// An address out of few bytes: mostly at the edges of something.
    mutating func address() -> UInt64 {
        let kind = byte()
        return switch kind & 7 {
        case 0: 0
        case 1: .max &- UInt64(kind >> 3)
        case 2: (2 << 20) &- UInt64(kind >> 3)
        case 3: UInt64(1) << UInt64(kind >> 2)
        case 4: UInt64(half())
        case 5: (3 << 30) &+ UInt64(kind >> 3)
        case 6: UInt64(kind >> 3) << 12
        default: word()
        }
    }
}
