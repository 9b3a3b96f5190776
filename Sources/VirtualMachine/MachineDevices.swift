import DeviceSources
import LinuxSystem

/// A machine's disks and network interfaces over all of its lives, in the order in which a guest finds them.
final class MachineDevices: Sendable {
    /// A device that the machine has no more.
    struct Departure {
        let name: DeviceName
        /// Gone when what the device used is closed.
        weak var backing: AnyObject?
    }

    /// The right to a name and a place while the device is opened.
    struct Reservation {
        fileprivate let token: UInt64
        let place: Int
    }

    private enum Phase {
        /// What it uses of the host is being opened: there is no device yet.
        case opening
        case attached
        /// The guest was asked to eject it.
        case leaving
        /// Off the bus: its last requests end.
        case going
    }

    private struct Entry {
        let token: UInt64
        let place: Int
        /// With the limit as it is to be.
        var source: DeviceSource
        var device: (any MachineDevice)?
        var phase: Phase
    }

    private struct State {
        var entries: [Entry] = []
        var nextToken: UInt64 = 0

        func index(_ name: DeviceName) -> Int? { entries.firstIndex { $0.source.name == name } }
        func index(_ reservation: Reservation) -> Int? { entries.firstIndex { $0.token == reservation.token } }
    }

    private let state = Monitor(State())

    /// Those that a life of the machine begins with.
    var present: [any MachineDevice] {
        state.read { state in
            let devices = state.entries.compactMap { $0.phase == .attached ? $0.device : nil }
            return DeviceKind.allCases.flatMap { kind in devices.filter { $0.name.kind == kind } }
        }
    }

    /// All that are open.
    var all: [any MachineDevice] { state.read { $0.entries.compactMap(\.device) } }

    // MARK: Coming

    /// Takes the name and a place for a device that is to be opened. Waits while somebody else opens the same.
    ///
    /// - Returns: nil where the machine has it already; it then has the limit that `source` says.
    /// - Throws: `MachineError` where the name is taken, or there is no place.
    func reserve(_ source: DeviceSource) throws(MachineError) -> Reservation? {
        let name = source.name
        let result = state.wait { state -> Result<Reservation?, MachineError>? in
            guard let index = state.index(name) else { return Self.reserve(source, &state) }
            guard state.entries[index].source.isSame(as: source) else { return .failure(Self.taken(name)) }
            switch state.entries[index].phase {
            case .opening: return nil
            case .attached:
                state.entries[index].source = source
                state.entries[index].device?.limit(source.limit)
                return .success(nil)
            case .leaving, .going: return .failure(Self.taken(name))
            }
        }
        return try result.get()
    }

    private static func reserve(_ source: DeviceSource, _ state: inout State) -> Result<Reservation?, MachineError> {
        let kind = source.name.kind
        let taken = Set(state.entries.filter { $0.source.name.kind == kind }.map(\.place))
        guard let place = (0..<kind.maximumCount).first(where: { !taken.contains($0) }) else {
            return .failure(
                MachineError(
                    "\(source.name): the machine has \(kind.maximumCount) devices of this kind, which is the most"))
        }
        state.nextToken += 1
        let entry = Entry(token: state.nextToken, place: place, source: source, device: nil, phase: .opening)
        state.entries.append(entry)
        return .success(Reservation(token: entry.token, place: place))
    }

    private static func taken(_ name: DeviceName) -> MachineError {
        MachineError("\(name): a \(name.kind.words) with this id is attached, or still going")
    }

    /// The device is open.
    ///
    /// - Returns: false where it was taken back meanwhile.
    func fill(_ reservation: Reservation, _ device: any MachineDevice) -> Bool {
        state.withLock { state in
            guard let index = state.index(reservation) else { return false }
            let limit = state.entries[index].source.limit
            if device.source.limit != limit { device.limit(limit) }
            state.entries[index].device = device
            state.entries[index].phase = .attached
            return true
        }
    }

    /// It is not opened, or the machine can't have it: its name and place are free.
    func giveUp(_ reservation: Reservation) {
        state.withLock { state in state.entries.removeAll { $0.token == reservation.token } }
    }

    /// Takes back a device that is still being opened.
    ///
    /// - Returns: false where there is none.
    func takeBack(_ name: DeviceName) -> Bool {
        state.withLock { state in
            guard let index = state.index(name), state.entries[index].phase == .opening else { return false }
            state.entries.remove(at: index)
            return true
        }
    }

    // MARK: Going

    /// - Returns: what was there.
    @discardableResult
    func remove(_ name: DeviceName) -> Departure? {
        state.withLock { state in
            guard let index = state.index(name), let device = state.entries[index].device else { return nil }
            state.entries.remove(at: index)
            return Departure(name: name, backing: device.backing)
        }
    }

    func has(_ name: DeviceName) -> Bool { state.read { $0.index(name) != nil } }

    /// The guest is asked to eject it.
    ///
    /// - Returns: false where it is not there.
    func leave(_ name: DeviceName) -> Bool { set(name, .leaving) }

    /// It stays after all.
    ///
    /// - Returns: false where it has gone or is going.
    func keep(_ name: DeviceName) -> Bool { set(name, .attached) }

    func go(_ name: DeviceName) { _ = set(name, .going) }

    private func set(_ name: DeviceName, _ phase: Phase) -> Bool {
        state.withLock { state in
            guard let index = state.index(name) else { return false }
            switch state.entries[index].phase {
            case .attached, .leaving: state.entries[index].phase = phase
            case .opening, .going: return false
            }
            return true
        }
    }

    /// Forgets the devices that a guest was asked to eject: its machine is built again without them.
    func takeLeaving() -> [Departure] {
        state.withLock { state in
            let gone = state.entries.filter { $0.phase == .leaving }
            state.entries.removeAll { $0.phase == .leaving }
            return gone.compactMap { entry in
                entry.device.map { Departure(name: $0.name, backing: $0.backing) }
            }
        }
    }

    // MARK: Limits

    /// Changes what it may do; false where there is no such device.
    func limit(_ name: DeviceName, _ limit: DeviceLimit?) -> Bool {
        state.withLock { state in
            guard let index = state.index(name) else { return false }
            state.entries[index].source.limit = limit
            state.entries[index].device?.limit(limit)
            return true
        }
    }
}
