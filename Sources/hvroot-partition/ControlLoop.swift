import DeviceSettings
import DeviceSources
import Glibc
import Hypervisor
import LinuxSystem
import Log
import Synchronization
import VirtualMachine
import WorkerProtocol

/// The main thread's loop: it serves the control socket until the guest has ended. Confined to that thread.
final class ControlLoop {
    private enum Token {
        static let listener: UInt64 = 0
        static let wake: UInt64 = 1
        static let termination: UInt64 = 2
        static let firstClient: UInt64 = 3
    }

    private static let mostClients = 16
    /// The least time between two looks at the console's end.
    private static let consoleInterval: UInt64 = 10_000_000
    /// How often the counters that are not counted where they happen are copied to the statistics page.
    private static let refreshInterval: UInt64 = 5_000_000_000

    private let launch: WorkerLaunch
    private let observer: WorkerObserver
    private let listener: FileDescriptor
    private let termination: FileDescriptor
    private let epoll: EpollSet
    private let startedAt = realtimeNanoseconds()
    private var clients: [UInt64: ControlClient] = [:]
    private var nextToken = Token.firstClient
    private var nextConsole: UInt64 = 0
    private var nextRefresh: UInt64 = 0
    /// How often the guest's balloon is asked for statistics, nanoseconds; nil: not.
    private var balloonInterval: UInt64?
    private var nextBalloon: UInt64 = 0
    private var machine: Machine?
    /// Of commands that took their time, from the threads that did them.
    private let answers = SharedAnswers()
    private var attaching = 0
    private static let mostAttaching = 32
    private var backend: (any HypervisorBackend)?

    init(launch: WorkerLaunch, listener: consuming FileDescriptor, observer: WorkerObserver) throws(Errno) {
        self.launch = launch
        self.listener = listener
        self.observer = observer
        termination = try WorkerProcess.terminationRequests()
        epoll = try EpollSet()
        try epoll.add(self.listener.raw, token: Token.listener)
        try epoll.add(observer.wake.raw, token: Token.wake)
        try epoll.add(termination.raw, token: Token.termination)
    }

    /// Gives the loop the machine that it controls.
    func attach(_ machine: Machine, on backend: any HypervisorBackend) {
        self.machine = machine
        self.backend = backend
        setBalloonInterval(UInt64(launch.devices.balloon?.statisticsInterval ?? 0))
        refresh()
    }

    /// Serves until the guest has ended and its result is written.
    ///
    /// - Returns: whether the result could be written.
    func run() -> Bool {
        while true {
            for ready in epoll.wait(milliseconds: patience()) { handle(ready) }
            // Before what happened to a device comes that it is there.
            tellAnswers()
            tellEvents()
            tellConsole()
            if let end = observer.end { return finish(end) }
            if monotonicNanoseconds() >= nextRefresh { refresh() }
            askBalloon()
            for client in clients.values where client.channel.isBroken { drop(client) }
        }
    }

    /// How long to wait for something to happen, in milliseconds.
    private func patience() -> Int {
        var deadline = nextRefresh
        if balloonInterval != nil { deadline = min(deadline, nextBalloon) }
        if observer.printed, !clients.isEmpty { deadline = min(deadline, nextConsole) }
        let now = monotonicNanoseconds()
        return deadline <= now ? 0 : Int((deadline - now) / 1_000_000 + 1)
    }

    private func handle(_ ready: Readiness) {
        switch ready.token {
        case Token.listener: accept()
        case Token.wake: observer.wake.drain()
        case Token.termination:
            _ = try? termination.read(count: 128)
            Log.info("the worker was asked to end: the guest is stopped")
            machine?.stop()
        default:
            guard let client = clients[ready.token] else { return }
            if ready.isReadable || ready.isClosed {
                for message in client.channel.receive() { answer(message, to: client) }
            }
            if ready.isWritable { client.channel.flush() }
            watch(client)
        }
    }

    // MARK: Clients

    private func accept() {
        do {
            guard let socket = try UnixSocket.accept(listener) else { return }
            let peer = try UnixSocket.peer(of: socket)
            guard peer.userID == 0 || peer.userID == geteuid() else {
                Log.warning("a connection of user \(peer.userID) was refused: only user \(geteuid()) and root may")
                return
            }
            guard clients.count < Self.mostClients else {
                Log.warning("a connection was refused: \(clients.count) are open")
                return
            }
            let present = machine?.attachedDevices ?? []
            let devices = Dictionary(
                uniqueKeysWithValues: DeviceKind.allCases.map { kind in
                    (kind, present.filter { $0.name.kind == kind })
                })
            let client = ControlClient(socket, token: nextToken)
            nextToken += 1
            try epoll.add(client.channel.raw, token: client.token)
            clients[client.token] = client
            client.channel.send(
                .hello(
                    WorkerHello(
                        vmID: launch.vmID, runID: launch.runID, processID: getpid(), startedAt: startedAt,
                        isPaused: machine?.isPaused ?? false, reboots: observer.statistics.reboots,
                        devices: devices,
                        processors: launch.maximumVPCount == nil ? nil : machine?.processorCount)))
            watch(client)
        } catch {
            Log.warning("a connection could not be accepted: \(error)")
        }
    }

    private func watch(_ client: ControlClient) {
        guard clients[client.token] != nil else { return }
        do {
            try epoll.change(client.channel.raw, token: client.token, writable: client.channel.wantsToWrite)
        } catch {
            drop(client)
        }
    }

    private func drop(_ client: ControlClient) {
        epoll.remove(client.channel.raw)
        clients[client.token] = nil
    }

    private func answer(_ message: WorkerMessage, to client: ControlClient) {
        switch message {
        case .request(let request):
            if case .attach(let device) = request.method { return attach(device, request.id, of: client) }
            client.channel.send(.response(WorkerResponse(id: request.id, result: perform(request.method))))
        case .acknowledge:
            client.consoleIsOutstanding = false
            if client.consoleHasMore { tellConsole(total: observer.ring.total, to: client) }
        case .hello, .response, .event: break
        }
    }

    private func perform(_ method: WorkerRequest.Method) -> WorkerResponse.Result {
        guard let machine, observer.end == nil else { return .failed("the guest has ended") }
        defer { refresh() }
        switch method {
        case .pause: machine.pause()
        case .resume: machine.resume()
        case .reset: machine.reset()
        case .powerButton: machine.pressPowerButton()
        case .stop: machine.stop()
        case .status: return .status(isPaused: machine.isPaused, consoleTotal: observer.ring.total)
        case .consoleWrite(let bytes): return .taken(UInt64(machine.receive(bytes)))
        case .attach: return .failed("\(method.name) takes its time")
        case .detach(let device, let force): return answer(machine.detach(device, force: force), device)
        case .keep(let device): return answer(machine.keep(device), device)
        case .limit(let device, let limit): return answer(machine.limit(device, limit), device)
        case .setMemory(let size): return attempt { () throws(MachineError) in try machine.setMemory(size: size) }
        case .setProcessors(let count):
            return attempt { () throws(MachineError) in try machine.setProcessors(count: count) }
        case .setBalloon(let size, let interval):
            return attempt { () throws(MachineError) in
                try machine.setBalloon(size: size)
                setBalloonInterval(interval)
            }
        }
        return .done
    }

    private func attempt(_ body: () throws(MachineError) -> Void) -> WorkerResponse.Result {
        do throws(MachineError) {
            try body()
            return .done
        } catch {
            return .failed(error.description)
        }
    }

    /// `machineDidEject` tells when a device is gone.
    private func answer(_ isThere: Bool, _ device: DeviceName) -> WorkerResponse.Result {
        isThere ? .done : .failed("there is no \(device) any more")
    }

    // MARK: Attaching

    /// On a thread of its own, because opening an image or a network may take its time: other commands go on.
    private func attach(_ device: DeviceSource, _ request: UInt64, of client: ControlClient) {
        func refuse(_ reason: String) {
            client.channel.send(.response(WorkerResponse(id: request, result: .failed(reason))))
        }
        guard let machine, observer.end == nil else { return refuse("the guest has ended") }
        guard attaching < Self.mostAttaching else { return refuse("\(attaching) devices are being attached already") }
        let (token, answers, wake) = (client.token, answers, observer.wake)
        do throws(Errno) {
            try SystemThread(name: "attach") {
                var result = WorkerResponse.Result.done
                do throws(MachineError) { try machine.attach(device) } catch { result = .failed(error.description) }
                answers.list.withLock { $0.append((token, WorkerResponse(id: request, result: result))) }
                wake.signal()
            }.detach()
            attaching += 1
        } catch {
            refuse("no thread for it: \(error)")
        }
    }

    /// Gives the answers to those who still listen.
    private func tellAnswers() {
        let done = answers.list.withLock { answers in
            defer { answers = [] }
            return answers
        }
        attaching -= done.count
        for (token, response) in done {
            guard let client = clients[token] else { continue }
            client.channel.send(.response(response))
            watch(client)
        }
        if !done.isEmpty { refresh() }
    }

    /// - Parameter seconds: 0: the balloon is not asked.
    private func setBalloonInterval(_ seconds: UInt64) {
        balloonInterval = seconds == 0 ? nil : min(seconds, 86_400) * 1_000_000_000
        nextBalloon = 0
    }

    private func askBalloon() {
        guard let balloonInterval, let machine, monotonicNanoseconds() >= nextBalloon else { return }
        nextBalloon = monotonicNanoseconds() + balloonInterval
        machine.requestBalloonStatistics()
    }

    // MARK: News

    private func tellEvents() {
        let events = observer.takeEvents()
        guard !events.isEmpty else { return }
        for client in clients.values {
            for event in events { client.channel.send(.event(event)) }
            watch(client)
        }
        refresh()
    }

    private func tellConsole() {
        let now = monotonicNanoseconds()
        guard observer.printed, !clients.isEmpty, now >= nextConsole else { return }
        nextConsole = now + Self.consoleInterval
        let total = observer.takePrinted()
        for client in clients.values { tellConsole(total: total, to: client) }
    }

    private func tellConsole(total: UInt64, to client: ControlClient) {
        client.consoleHasMore = client.consoleIsOutstanding
        guard !client.consoleIsOutstanding else { return }
        client.consoleIsOutstanding = true
        client.channel.send(.event(.consoleAdvanced(total: total)))
        watch(client)
    }

    private func refresh() {
        nextRefresh = monotonicNanoseconds() + Self.refreshInterval
        guard let machine, let backend else { return }
        machine.remindOfEvents()
        observer.statistics.setMemoryMapped(machine.memoryMapped)
        observer.statistics.setMemoryDeposited(machine.memoryDeposited)
        observer.statistics.setPaused(machine.isPaused)
        observer.statistics.setHypercalls(backend.hypercallCounts)
    }

    // MARK: The end

    private func finish(_ end: MachineEnd) -> Bool {
        refresh()
        var result = RunResult(runID: launch.runID, end: .stopped, endedAt: realtimeNanoseconds())
        switch end {
        case .poweredOff: result.end = .poweredOff
        case .stopped: result.end = .stopped
        case .debugExit(let code):
            result.end = .debugExit
            result.code = code
        case .crashed(let crash, let reason):
            result.end =
                switch crash {
                case .tripleFault: .crashed
                case .panic: .panicked
                case .watchdog: .watchdogCrashed
                }
            result.message = reason
            note(observer.dump, in: &result)
        case .watchdogExpired: result.end = .watchdogPoweredOff
        case .failed(let reason):
            result.end = .failed
            result.message = reason
        }
        // What it told last comes before its end.
        tellEvents()
        Log.info("the guest ended", ["end": result.end.rawValue, "message": result.message ?? ""])
        do {
            try result.write(directory: launch.directory)
        } catch {
            Log.error("the guest's result could not be written to \(launch.directory): \(error)")
            return false
        }
        for client in clients.values { client.channel.send(.event(.ended)) }
        return true
    }

    private func note(_ dump: (place: CoreDumpPlace, error: Errno?)?, in result: inout RunResult) {
        guard let dump else { return }
        if let error = dump.error {
            Log.error("the guest's core file could not be written", ["path": dump.place.path, "error": "\(error)"])
            result.message = (result.message ?? "") + "; its core file could not be written: \(error)"
        } else {
            Log.info("the guest's core file is written", ["path": dump.place.path])
            result.coreDump = dump.place.path
        }
    }
}

/// Answers of commands that were done on threads of their own, with the client that each is for.
private final class SharedAnswers: Sendable {
    let list = Mutex<[(client: UInt64, response: WorkerResponse)]>([])
}
