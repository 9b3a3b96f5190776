import GuestMemory

@testable import Virtio

/// The driver's side of a queue, as simple as can be: descriptors are used once, in order.
struct TestDriver {
    static let descriptors: UInt64 = 0x1000
    static let driverArea: UInt64 = 0x4000
    static let deviceArea: UInt64 = 0x6000
    /// Where indirect tables are put, one page each.
    static let tables: UInt64 = 0x1_0000

    let memory: GuestMemory
    let size: UInt16
    let isPacked: Bool
    /// What is added to all places above.
    let base: UInt64
    private var free: UInt16 = 0
    private var available: UInt16 = 0
    private var wrap = true
    private var nextUsed: UInt16 = 0
    private var usedWrap = true
    private var indirectTables: UInt64 = 0
    /// How many descriptors each chain took, by identifier.
    private var taken: [UInt16: UInt16] = [:]

    init(_ memory: GuestMemory, size: UInt16, isPacked: Bool, base: UInt64 = 0) {
        self.base = base
        self.memory = memory
        self.size = size
        self.isPacked = isPacked
    }

    var layout: VirtQueueLayout {
        VirtQueueLayout(
            size: size, descriptors: base + Self.descriptors, driver: base + Self.driverArea,
            device: base + Self.deviceArea)
    }

    func device(eventIndex: Bool = false) throws -> VirtQueue {
        try VirtQueue(layout, memory: memory, isPacked: isPacked, usesEventIndex: eventIndex)
    }

    /// Makes a chain available; its identifier.
    @discardableResult
    mutating func add(readable: [GuestSegment], writable: [GuestSegment], indirect: Bool = false) throws -> UInt16 {
        let segments = readable.map { ($0, UInt16(0)) } + writable.map { ($0, DescriptorFlag.write) }
        if indirect {
            let table = base + Self.tables + indirectTables * 0x1000
            indirectTables += 1
            for (index, (segment, flags)) in segments.enumerated() {
                let isLast = index == segments.count - 1
                let next = isPacked || isLast ? 0 : DescriptorFlag.next
                try write(segment, flags | next, UInt16(index + 1), at: table + 16 * UInt64(index), isTable: true)
            }
            let whole = GuestSegment(gpa: table, count: UInt32(16 * segments.count))
            return try publish([(whole, DescriptorFlag.indirect)])
        }
        return try publish(segments)
    }

    private mutating func publish(_ segments: [(GuestSegment, UInt16)]) throws -> UInt16 {
        let head = free
        taken[head] = UInt16(segments.count)
        guard isPacked else {
            for (index, (segment, flags)) in segments.enumerated() {
                let next = (free + 1) % size
                let more = index < segments.count - 1 ? DescriptorFlag.next : 0
                try write(segment, flags | more, next, at: base + Self.descriptors + 16 * UInt64(free), isTable: false)
                free = next
            }
            try memory.store(base + Self.driverArea + 4 + 2 * UInt64(available % size), head)
            available &+= 1
            try memory.store(base + Self.driverArea + 2, available)
            return head
        }
        for (index, (segment, flags)) in segments.enumerated() {
            let more = index < segments.count - 1 ? DescriptorFlag.next : 0
            let bits = wrap ? DescriptorFlag.available : DescriptorFlag.used
            try write(
                segment, flags | more | bits, head, at: base + Self.descriptors + 16 * UInt64(free), isTable: false)
            free += 1
            if free == size {
                free = 0
                wrap.toggle()
            }
        }
        return head
    }

    private func write(_ segment: GuestSegment, _ flags: UInt16, _ other: UInt16, at gpa: UInt64, isTable: Bool) throws
    {
        try memory.store(gpa, segment.gpa)
        try memory.store(gpa + 8, segment.count)
        try memory.store(gpa + 12, isPacked ? other : flags)
        try memory.store(gpa + 14, isPacked ? flags : other)
    }

    /// What the device gave back next: nil for nothing.
    mutating func used() throws -> (id: UInt16, written: UInt32)? {
        guard isPacked else {
            guard try memory.load(base + Self.deviceArea + 2, as: UInt16.self) != nextUsed else { return nil }
            let place = base + Self.deviceArea + 4 + 8 * UInt64(nextUsed % size)
            nextUsed &+= 1
            return (UInt16(try memory.load(place, as: UInt32.self)), try memory.load(place + 4))
        }
        let place = base + Self.descriptors + 16 * UInt64(nextUsed)
        let flags = try memory.load(place + 14, as: UInt16.self)
        guard (flags & DescriptorFlag.used != 0) == usedWrap, (flags & DescriptorFlag.available != 0) == usedWrap else {
            return nil
        }
        let id = try memory.load(place + 12, as: UInt16.self)
        let sum = nextUsed + (taken[id] ?? 1)
        if sum >= size { usedWrap.toggle() }
        nextUsed = sum % size
        return (id, try memory.load(place + 8))
    }
}
