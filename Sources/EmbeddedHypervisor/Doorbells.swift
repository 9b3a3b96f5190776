import HypercallABI
import Hypervisor
import Synchronization

/// The writes of a partition's processors that ring the root's doorbells instead of exiting.
final class Doorbells: Sendable {
    private struct Entry {
        var connection: ConnectionID
        var doorbell: Doorbell
        var sint: UInt32
        var port: PortID
        var rings: RootRings
    }

    private let entries = Mutex<[Entry]>([])
    /// Whether there is any: nearly every exit is asked, and nearly no partition has one.
    private let count = Atomic(0)

    /// - Returns: false where there is one for the same writes already.
    func add(_ doorbell: Doorbell, _ connection: ConnectionID, sint: UInt32, port: PortID, rings: RootRings) -> Bool {
        entries.withLock { entries in
            guard !entries.contains(where: { $0.doorbell == doorbell }) else { return false }
            entries.append(
                Entry(connection: connection, doorbell: doorbell, sint: sint, port: port, rings: rings))
            count.store(entries.count, ordering: .releasing)
            return true
        }
    }

    func remove(_ connection: ConnectionID) { remove { $0.connection == connection } }

    /// The end of a port of the root.
    func remove(_ port: PortID) { remove { $0.port == port } }

    private func remove(_ rule: (Entry) -> Bool) {
        entries.withLock { entries in
            entries.removeAll(where: rule)
            count.store(entries.count, ordering: .releasing)
        }
    }

    /// Rings what a write rings. The narrowest doorbells come first: one of a value before one of any value, one of a
    /// size before one of any size.
    ///
    /// - Returns: whether there was one.
    func ring(by exit: VPExit) -> Bool {
        guard count.load(ordering: .acquiring) > 0, case .mmioWrite(let gpa, let size, let value) = exit else {
            return false
        }
        let found = entries.withLock { entries in
            entries.filter { $0.doorbell.isRung(gpa: gpa, size: Int(size), value: value) }
                .max { $0.doorbell.narrowness < $1.doorbell.narrowness }
        }
        guard let found else { return false }
        found.rings.ring(found.sint, found.port)
        return true
    }
}

extension Doorbell {
    fileprivate func isRung(gpa: UInt64, size: Int, value: UInt64) -> Bool {
        self.gpa == gpa && (writeSize.map { $0 == size } ?? true)
            && (flags.contains(.anyValue) || self.value == value)
    }

    fileprivate var narrowness: Int { (flags.contains(.anyValue) ? 0 : 2) + (writeSize == nil ? 0 : 1) }
}

/// The event rings of the root: which ports rang, by SINT. A port stands in a ring once until it is read. What finds
/// no room waits until the root says that it has read the ring.
final class RootRings: Sendable {
    private struct Ring {
        var ports: [PortID] = []
        var waiting: [PortID] = []
    }

    private let rings = Mutex<[UInt32: Ring]>([:])
    private let handler = Mutex<(@Sendable (UInt32) -> Void)?>(nil)

    func onRing(_ handler: @escaping @Sendable (UInt32) -> Void) { self.handler.withLock { $0 = handler } }

    func ring(_ sint: UInt32, _ port: PortID) {
        let isFirst = rings.withLock { rings -> Bool in
            var ring = rings[sint] ?? Ring()
            if ring.ports.contains(port) || ring.waiting.contains(port) { return false }
            if ring.ports.count < Limits.eventRing, ring.waiting.isEmpty {
                ring.ports.append(port)
            } else {
                ring.waiting.append(port)
            }
            rings[sint] = ring
            return ring.ports.count == 1 && ring.waiting.isEmpty
        }
        if isFirst { tell(sint) }
    }

    func read(_ sint: UInt32) -> [PortID] {
        rings.withLock { rings in
            let ports = rings[sint]?.ports ?? []
            rings[sint]?.ports = []
            return ports
        }
    }

    /// What waits comes as far as there is room.
    func refill(_ sint: UInt32) {
        let hasMore = rings.withLock { rings -> Bool in
            guard var ring = rings[sint], !ring.waiting.isEmpty else { return false }
            let wasEmpty = ring.ports.isEmpty
            let count = min(ring.waiting.count, Limits.eventRing - ring.ports.count)
            ring.ports += ring.waiting.prefix(count)
            ring.waiting.removeFirst(count)
            rings[sint] = ring
            return wasEmpty
        }
        if hasMore { tell(sint) }
    }

    /// The end of a port.
    func remove(_ port: PortID) {
        rings.withLock { rings in
            for sint in rings.keys {
                rings[sint]?.ports.removeAll { $0 == port }
                rings[sint]?.waiting.removeAll { $0 == port }
            }
        }
    }

    private func tell(_ sint: UInt32) {
        let handler = handler.withLock { $0 }
        handler?(sint)
    }
}
