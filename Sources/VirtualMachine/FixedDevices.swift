import DeviceSettings
import Glibc
import LinuxSystem
import Log
import Synchronization
import Vhost
import Virtio
import VirtualDevices

/// The devices that a machine has once or not at all, over all of its lives: what of them lasts, and the devices of each
/// life.
final class FixedDevices: Sendable {
    /// Those of one life.
    struct Life: Sendable {
        var balloon: BalloonDevice?
        var vsock: (any VirtioDevice)?
        var console: ConsoleDevice?
        var watchdog: WatchdogTimer?
    }

    private struct State {
        /// Bytes that the balloon should have.
        var balloonSize: UInt64
        /// The balloon of this life.
        var balloon: BalloonDevice?
        /// Bytes that the balloons of earlier lives gave back.
        var returnedBefore: UInt64 = 0
        /// The next life begins because the watchdog expired.
        var watchdogHasExpired = false
    }

    private let settings: DeviceSettings
    private let returnsPages: Bool
    /// Where a guest's streams meet programs of the host.
    private enum Vsock {
        case unix(VsockHost)
        /// One for all lives: the host has each context identifier once.
        case vhost(VhostVsockDevice)
    }

    private let vsock: Vsock?
    private let observer: any MachineObserver
    private let state: Mutex<State>
    /// The serial port and the virtio console print into one log.
    private let printing = Mutex(())

    /// - Parameter returnsPages: whether memory can be given back to the host while the guest runs.
    /// - Throws: `MachineError` that names the device.
    init(
        _ configuration: MachineConfiguration, returnsPages: Bool, observer: any MachineObserver
    ) throws(MachineError) {
        settings = configuration.devices
        self.returnsPages = returnsPages
        self.observer = observer
        state = Mutex(State(balloonSize: configuration.balloonSize))
        if settings.balloon != nil, !returnsPages {
            Log.info("the balloon gives nothing back to the host: the hypervisor has the guest's memory pinned")
        }
        vsock = try settings.vsock.map { (settings) throws(MachineError) in
            try Self.vsock(settings, configuration)
        }
    }

    private static func vsock(
        _ settings: VsockSettings, _ configuration: MachineConfiguration
    ) throws(MachineError) -> Vsock {
        let report: @Sendable (String) -> Void = { Log.warning("a vsock device lacks something", ["reason": $0]) }
        do throws(Errno) {
            guard settings.backend == .vhost else {
                return .unix(try VsockHost(directory: configuration.runDirectory, name: configuration.vsockSocket))
            }
            return .vhost(try VhostVsockDevice(cid: settings.cid, report: report))
        } catch {
            guard settings.backend == .vhost else {
                throw MachineError(
                    "vsock: no socket \(configuration.vsockSocket) in \(configuration.runDirectory): \(error)")
            }
            throw MachineError(
                error.code == EADDRINUSE
                    ? "vsock: the context identifier \(settings.cid) is another guest's of this host"
                    : "vsock: \(VhostDevice.vsockPath) can't be used: \(error) (modprobe vhost_vsock)")
        }
    }

    /// What gets the bytes of all consoles, in the order in which they come.
    func print(_ bytes: UnsafeRawBufferPointer) {
        // Sound: the lock orders the calls, and nothing is touched but what the observer orders for itself.
        printing.withLock { _ in observer.machineDidPrint(bytes) }
    }

    /// The devices for one life of the machine.
    func life(expired: @escaping @Sendable () -> Void) -> Life {
        var life = Life()
        if let balloon = settings.balloon { life.balloon = self.balloon(balloon) }
        switch vsock {
        case .unix(let host):
            life.vsock = settings.vsock.map {
                VsockDevice(
                    cid: $0.cid, host: host,
                    report: { Log.warning("a vsock device is not served", ["reason": $0]) })
            }
        case .vhost(let device): life.vsock = device
        case nil: break
        }
        if settings.console.kind == .virtio {
            let size = settings.console.size.map {
                ConsoleDevice.Size(columns: UInt16(clamping: $0.columns), rows: UInt16(clamping: $0.rows))
            }
            life.console = ConsoleDevice(size: size, output: { [weak self] in self?.print($0) })
        }
        if settings.watchdog != nil {
            let hasExpired = state.withLock { state in
                defer { state.watchdogHasExpired = false }
                return state.watchdogHasExpired
            }
            life.watchdog = WatchdogTimer(hasExpired: hasExpired, onExpiry: expired)
        }
        return life
    }

    private func balloon(_ settings: BalloonSettings) -> BalloonDevice {
        var options = BalloonDevice.Options()
        options.deflatesOnOOM = settings.deflatesOnOOM
        options.reportsFreePages = settings.reportsFreePages
        options.returnsPages = returnsPages
        let observer = observer
        let (before, size) = state.withLock { state -> (UInt64, UInt64) in
            state.returnedBefore += state.balloon?.news.returned ?? 0
            return (state.returnedBefore, state.balloonSize)
        }
        let device = BalloonDevice(target: size, options: options) { news in
            var news = news
            news.returned &+= before
            observer.machineDidChange(balloon: news)
        }
        state.withLock { $0.balloon = device }
        var news = BalloonNews()
        news.returned = before
        observer.machineDidChange(balloon: news)
        return device
    }

    /// The balloon is to come to so many bytes; false where the machine has none.
    func requestBalloon(_ size: UInt64) -> Bool {
        guard settings.balloon != nil else { return false }
        let balloon = state.withLock { state in
            state.balloonSize = size
            return state.balloon
        }
        balloon?.request(size)
        return true
    }

    /// The machine has ended for good.
    func end() { if case .unix(let host) = vsock { host.remove() } }

    func requestStatistics() { state.withLock { $0.balloon }?.requestStatistics() }

    /// What the watchdog does when it expires.
    var watchdogAction: WatchdogSettings.Action {
        settings.watchdog?.action ?? WatchdogSettings.Action.none
    }
    func noteWatchdogReset() { state.withLock { $0.watchdogHasExpired = true } }
}

/// What the machine does with them.
extension Machine {
    /// Asks the guest to come to a balloon of `size` bytes. It does so in its own time, or not.
    ///
    /// - Throws: `MachineError` where the machine has no balloon.
    package func setBalloon(size: UInt64) throws(MachineError) {
        guard fixed.requestBalloon(size) else { throw MachineError("the machine has no balloon") }
    }

    /// Asks the guest's balloon for statistics, where it has one. `machineDidChange` tells of them.
    package func requestBalloonStatistics() { fixed.requestStatistics() }

    /// The guest's watchdog expired: on the timer's own thread.
    func watchdogExpired() {
        let action = fixed.watchdogAction
        observer.machineDidExpireWatchdog()
        Log.warning("the guest no longer reloads its watchdog", ["action": action.rawValue])
        switch action {
        case .none: return
        case .reset:
            fixed.noteWatchdogReset()
            reset()
        case .powerOff: end(.end(.watchdogExpired))
        case .crash: end(.end(.crashed(.watchdog, "the guest no longer reloaded its watchdog")))
        }
    }
}
