import BlockStorage
import Synchronization

/// A machine's disks over all of its lives, in the order in which a guest finds them.
final class MachineDisks: Sendable {
    private enum Phase {
        case attached
        /// The guest was asked to eject it.
        case leaving
        /// Off the bus: its last requests end.
        case going
    }

    private struct Entry {
        var disk: MachineDisk
        var phase = Phase.attached
    }

    private let entries: Mutex<[Entry]>

    init(_ disks: [MachineDisk]) { entries = Mutex(disks.map { Entry(disk: $0) }) }

    /// Those that a life of the machine begins with.
    var present: [MachineDisk] { entries.withLock { $0.filter { $0.phase == .attached }.map(\.disk) } }
    /// All whose images are open.
    var all: [MachineDisk] { entries.withLock { $0.map(\.disk) } }

    subscript(id: String) -> MachineDisk? { entries.withLock { $0.first { $0.disk.id == id }?.disk } }

    /// Whether it is there to stay.
    func isAttached(_ id: String) -> Bool {
        entries.withLock { $0.contains { $0.disk.id == id && $0.phase == .attached } }
    }

    /// The lowest place that no disk has; nil where there is no more.
    var freePlace: Int? {
        let taken = Set(entries.withLock { $0.map(\.disk.place) })
        return (0..<DiskSource.maximumCount).first { !taken.contains($0) }
    }

    func add(_ disk: MachineDisk) { entries.withLock { $0.append(Entry(disk: disk)) } }

    /// - Returns: whether it was there.
    @discardableResult
    func remove(_ id: String) -> Bool {
        let removed = entries.withLock { entries -> Entry? in
            entries.firstIndex { $0.disk.id == id }.map { entries.remove(at: $0) }
        }
        return removed != nil
    }

    /// The guest is asked to eject it.
    ///
    /// - Returns: false where it is not there.
    func leave(_ id: String) -> Bool { set(id, .leaving, from: [.attached, .leaving]) }

    /// It stays after all.
    ///
    /// - Returns: false where it has gone or is going.
    func keep(_ id: String) -> Bool { set(id, .attached, from: [.attached, .leaving]) }

    func go(_ id: String) { _ = set(id, .going, from: [.attached, .leaving]) }

    private func set(_ id: String, _ phase: Phase, from: Set<Phase>) -> Bool {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.disk.id == id }), from.contains(entries[index].phase)
            else { return false }
            entries[index].phase = phase
            return true
        }
    }

    /// Forgets the disks that a guest was asked to eject: its machine is built again without them.
    ///
    /// - Returns: their ids.
    func dropLeaving() -> [String] {
        entries.withLock { entries in
            let ids = entries.filter { $0.phase == .leaving }.map(\.disk.id)
            entries.removeAll { $0.phase == .leaving }
            return ids
        }
    }
}
