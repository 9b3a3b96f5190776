import DeviceSources
import Hypervisor
import PartitionManager
import Synchronization
import WorkerProtocol

/// A guest in memory. It outlives managers, as a worker outlives its server.
final class FakeGuest: GuestDriver {
    private struct State {
        var events: (@Sendable (GuestEvent) -> Void)?
        var isPaused = false
        var commands: [String] = []
        var end: GuestEnd?
        var typed: [UInt8] = []
        var devices: [DeviceSource] = []
    }

    let runID: String
    let partitionID: UInt64
    let maximumVPCount: Int?
    private let world: FakeWorld
    private let state = Mutex(State())

    init(_ launch: GuestLaunch, _ world: FakeWorld) {
        runID = launch.runID
        partitionID = launch.partitionID
        maximumVPCount = launch.maximumVPCount
        self.world = world
        state.withLock { state in
            state.devices = launch.disks.map(DeviceSource.disk)
            state.devices += launch.networkInterfaces.map(DeviceSource.networkInterface)
        }
    }

    var devices: [DeviceSource] { state.withLock { $0.devices } }

    var isPaused: Bool { state.withLock { $0.isPaused } }
    var commands: [String] { state.withLock { $0.commands } }
    var typed: [UInt8] { state.withLock { $0.typed } }
    var ended: GuestEnd? { state.withLock { $0.end } }

    func listen(_ events: @escaping @Sendable (GuestEvent) -> Void) { state.withLock { $0.events = events } }
    func emit(_ event: GuestEvent) { state.withLock { $0.events }?(event) }
    func end(_ end: GuestEnd) {
        let isNew = state.withLock { state in
            defer { if state.end == nil { state.end = end } }
            return state.end == nil
        }
        if isNew { emit(.ended(end)) }
    }

    private func command(_ name: String, _ change: (inout State) -> Void = { _ in }) async throws(GuestError) {
        state.withLock { $0.commands.append(name) }
        if world.behaviour.withLock({ $0.failing.contains(name) }) { throw GuestError("\(name) fails in this test") }
        while world.behaviour.withLock({ $0.hanging.contains(name) }) {
            try? await Task.sleep(nanoseconds: 2_000_000)
        }
        state.withLock { change(&$0) }
    }

    func pause() async throws(GuestError) { try await command("pause") { $0.isPaused = true } }
    func resume() async throws(GuestError) { try await command("resume") { $0.isPaused = false } }
    func reset() async throws(GuestError) {
        try await command("reset")
        emit(.rebooted)
    }
    func pressPowerButton() async throws(GuestError) {
        try await command("power-button")
        if world.behaviour.withLock({ $0.answersPowerButton }) { end(.poweredOff) }
    }
    func stop() async throws(GuestError) {
        try await command("stop")
        if world.behaviour.withLock({ $0.answersStop }) { end(.stopped) }
    }
    func setBalloon(size: UInt64, statisticsInterval: Int) async throws(GuestError) {
        try await command("balloon \(size) every \(statisticsInterval)")
    }
    func setProcessors(count: Int) async throws(GuestError) {
        try await command("processors \(count)")
        emit(.processors(count))
    }
    func setMemory(size: UInt64) async throws(GuestError) { try await command("memory \(size)") }
    func writeConsole(_ bytes: [UInt8]) async throws(GuestError) -> Int {
        state.withLock { $0.typed += bytes }
        emit(.consoleAdvanced)
        return bytes.count
    }
    func attach(_ device: DeviceSource) async throws(GuestError) {
        try await command("attach") { $0.devices.append(device) }
    }
    func detach(_ device: DeviceName, force: Bool) async throws(GuestError) {
        try await command(force ? "unplug" : "detach")
        if force || world.behaviour.withLock({ $0.ejectsDevices }) { eject(device) }
    }
    func keep(_ device: DeviceName) async throws(GuestError) {
        try await command("keep")
        if !devices.contains(where: { $0.name == device }) { throw GuestError("there is no such device") }
    }
    func limit(_ device: DeviceName, _ limit: DeviceLimit?) async throws(GuestError) {
        try await command("limit") { state in
            for index in state.devices.indices where state.devices[index].name == device {
                state.devices[index].limit = limit
            }
        }
    }
    /// As the guest does it by itself.
    func eject(_ device: DeviceName) {
        state.withLock { $0.devices.removeAll { $0.name == device } }
        emit(.ejected(device))
    }
    /// As a worker does whenever it is spoken to anew.
    func tellDevices() {
        for kind in DeviceKind.allCases { emit(.devices(kind, devices.filter { $0.name.kind == kind })) }
    }
    func statistics() -> GuestStatistics {
        var statistics = GuestStatistics()
        statistics.consoleBytes = UInt64(typed.count)
        return statistics
    }
    var processID: Int32? { 4711 }
}

/// The host of fake guests: it survives the managers of a test, and says how guests behave.
final class FakeWorld: GuestLauncher {
    struct Behaviour {
        var answersPowerButton = true
        var answersStop = true
        var ejectsDevices = true
        var failing: Set<String> = []
        var hanging: Set<String> = []
        var launchFailure: GuestFailure?
        var holdsLaunches = false
        var endsWhileLaunching: GuestEnd?
    }

    let behaviour = Mutex(Behaviour())
    private let guests = Mutex<[String: FakeGuest]>([:])
    private let counts = Mutex((launches: 0, concurrent: 0, most: 0))
    let hypervisor: HypervisorDescription

    init(kind: HypervisorKind = .simulated) {
        hypervisor = HypervisorDescription(kind: kind, detail: "a fake for tests", isEmulated: false)
    }

    var launchCount: Int { counts.withLock { $0.launches } }
    var mostConcurrentLaunches: Int { counts.withLock { $0.most } }
    /// Guests that have not ended.
    var living: [FakeGuest] { guests.withLock { Array($0.values) }.filter { $0.ended == nil } }
    func guest(partition: UInt64?) -> FakeGuest? {
        guests.withLock { $0.values.first { $0.partitionID == partition } }
    }

    func launch(
        _ launch: GuestLaunch, events: @escaping @Sendable (GuestEvent) -> Void
    ) async throws(GuestFailure) -> any GuestDriver {
        counts.withLock { counts in
            counts.launches += 1
            counts.concurrent += 1
            counts.most = max(counts.most, counts.concurrent)
        }
        defer { counts.withLock { $0.concurrent -= 1 } }
        await Task.yield()
        while behaviour.withLock({ $0.holdsLaunches }) { try? await Task.sleep(nanoseconds: 2_000_000) }
        if let failure = behaviour.withLock({ $0.launchFailure }) { throw failure }
        let guest = FakeGuest(launch, self)
        guest.listen(events)
        guests.withLock { $0[launch.runID] = guest }
        if let end = behaviour.withLock({ $0.endsWhileLaunching }) { guest.end(end) }
        return guest
    }

    func adopt(
        _ launch: GuestLaunch, isPaused: Bool, events: @escaping @Sendable (GuestEvent) -> Void
    ) async -> Adoption {
        guard let guest = guests.withLock({ $0[launch.runID] }) else {
            return .ended(.failed(GuestFailure(code: "worker-lost", message: "There is no trace of the guest.")))
        }
        if let end = guest.ended { return .ended(end) }
        guest.listen(events)
        guest.tellDevices()
        return .running(guest, isPaused: guest.isPaused)
    }
}
