import DeviceSources
import Glibc
import LinuxSystem
import Log
import WorkerProtocol

/// The server's side of one worker: its process, its socket, what was asked of it and what it tells.
final class WorkerConnection: @unchecked Sendable {
    // Unchecked: after `begin` everything that changes is touched on the monitor's thread only.

    /// How the first contact went.
    enum Contact: Sendable {
        case made(isPaused: Bool)
        /// The worker ended before it said who it is.
        case ended(GuestEnd)
        /// It lives and has not said who it is in time. It may still do so.
        case silent
        /// Another one answers in its place; it is left alone.
        case stranger(String)
        /// The monitor is closed.
        case abandoned
    }

    typealias Answer = Result<WorkerResponse.Result, GuestError>

    private struct Pending {
        var deadline: UInt64
        var method: String
        var resume: (Answer) -> Void
    }

    private static let reconnectInterval: UInt64 = 500_000_000
    /// How long to ask the kernel how a worker ended that is not our child: its parent has to reap it first.
    private static let reapPatience: UInt64 = 500_000_000

    private let launch: GuestLaunch
    private let process: PidFD
    private let limits: WorkerLimits
    private let statistics: WorkerStatistics
    private let events: @Sendable (GuestEvent) -> Void

    private var id: UInt64 = 0
    private var channel: MessageChannel?
    private var hello: WorkerHello?
    private var contact: ((Contact) -> Void)?
    private var contactDeadline: UInt64 = 0
    private var reconnectAt: UInt64?
    private var nextRequest: UInt64 = 1
    private var pending: [UInt64: Pending] = [:]
    private var stopWasAsked = false
    private var killAt: UInt64?
    private var diedAt: UInt64?
    private var isOver = false

    init(
        _ launch: GuestLaunch, process: PidFD, limits: WorkerLimits, statistics: WorkerStatistics,
        events: @escaping @Sendable (GuestEvent) -> Void
    ) {
        self.launch = launch
        self.process = process
        self.limits = limits
        self.statistics = statistics
        self.events = events
    }

    private var name: String { "the worker of VM \(launch.vmID) (process \(process.processID))" }

    // MARK: First contact

    /// Watches the process and connects to it. `contact` is called once.
    func begin(_ loop: MonitorLoop, contact: @escaping (Contact) -> Void) {
        self.contact = contact
        contactDeadline = deadline(in: limits.hello)
        id = loop.register(self)
        loop.keepDeadlines(of: id)
        do {
            try loop.epoll.add(process.raw, token: 2 * id)
        } catch {
            // Out of kernel memory or watches: what can't be watched can't be answered for.
            Log.error("\(name) can't be watched: \(error)")
            finish(
                .failed(WorkerEnd.failure("worker-lost", "\(name) can't be watched: \(error)", of: launch)), loop)
            return
        }
        connect(loop)
    }

    private func connect(_ loop: MonitorLoop) {
        reconnectAt = nil
        do {
            let socket = try UnixSocket.connect(directory: launch.runDirectory, name: VMFiles.controlSocket)
            let peer = try UnixSocket.peer(of: socket)
            guard peer.processID == process.processID else {
                Log.warning("process \(peer.processID) answers for \(name)")
                return retry(loop)
            }
            let channel = MessageChannel(socket)
            try loop.epoll.add(channel.raw, token: 2 * id + 1)
            self.channel = channel
        } catch {
            retry(loop)
        }
    }

    private func retry(_ loop: MonitorLoop) {
        reconnectAt = monotonicNanoseconds() + Self.reconnectInterval
        loop.keepDeadlines(of: id)
    }

    private func disconnect(_ reason: String, _ loop: MonitorLoop) {
        guard let channel else { return }
        loop.epoll.remove(channel.raw)
        self.channel = nil
        hello = nil
        failPending(GuestError("\(name) was lost while it was asked: \(reason)"))
        retry(loop)
    }

    private func makeContact(_ result: Contact) {
        let contact = contact
        self.contact = nil
        contact?(result)
    }

    // MARK: Messages

    func socketReady(_ ready: Readiness, _ loop: MonitorLoop) {
        guard let channel else { return }
        if ready.isReadable || ready.isClosed {
            for message in channel.receive() { take(message, loop) }
        }
        // A message may have ended the connection.
        guard self.channel === channel else { return }
        if ready.isWritable { channel.flush() }
        settle(loop)
    }

    /// After something was sent or received: watch for what is needed next, or give a broken connection up.
    private func settle(_ loop: MonitorLoop) {
        guard let channel else { return }
        if let failure = channel.failure { return disconnect(failure, loop) }
        do {
            try loop.epoll.change(channel.raw, token: 2 * id + 1, writable: channel.wantsToWrite)
        } catch {
            disconnect("\(error)", loop)
        }
    }

    private func take(_ message: WorkerMessage, _ loop: MonitorLoop) {
        switch message {
        case .hello(let hello): greet(hello, loop)
        case .response(let response):
            guard let request = pending.removeValue(forKey: response.id) else { return }
            if case .failed(let reason) = response.result {
                request.resume(.failure(GuestError("\(request.method): \(reason)")))
            } else {
                request.resume(.success(response.result))
            }
        case .event(.consoleAdvanced(let total)):
            channel?.send(.acknowledge(consoleTotal: total))
            if contact == nil { events(.consoleAdvanced) }
        case .event(.rebooted):
            if contact == nil { events(.rebooted) }
        case .event(.crashKernelLoaded):
            if contact == nil { events(.crashKernelLoaded) }
        case .event(.watchdogExpired):
            if contact == nil { events(.watchdogExpired) }
        case .event(.ejected(let device)):
            if contact == nil { events(.ejected(device)) }
        case .event(.processors(let count)):
            if contact == nil { events(.processors(count)) }
        case .event(.ended): break  // Told when the process has ended, from the result that it wrote.
        case .request, .acknowledge: break
        }
    }

    private func greet(_ hello: WorkerHello, _ loop: MonitorLoop) {
        guard hello.vmID == launch.vmID, hello.runID == launch.runID,
            hello.protocolVersions.contains(UInt64(Frame.version))
        else {
            let reason = "\(name) says that it is of VM \(hello.vmID), run \(hello.runID), not run \(launch.runID)"
            Log.error(reason)
            guard contact != nil else { return disconnect(reason, loop) }
            isOver = true
            release(loop)
            return makeContact(.stranger(reason))
        }
        self.hello = hello
        makeContact(.made(isPaused: hello.isPaused))
        // Whatever happened before is news to this server.
        for (kind, devices) in hello.devices { events(.devices(kind, devices)) }
        if let processors = hello.processors { events(.processors(processors)) }
        events(.consoleAdvanced)
    }

    // MARK: Commands

    func request(_ method: WorkerRequest.Method, _ loop: MonitorLoop, _ resume: @escaping (Answer) -> Void) {
        guard !isOver else { return resume(.failure(GuestError("\(method.name): the guest has ended"))) }
        guard let channel, hello != nil else {
            return resume(.failure(GuestError("\(method.name): \(name) does not answer")))
        }
        let request = nextRequest
        nextRequest += 1
        pending[request] = Pending(deadline: deadline(in: limits.request), method: method.name, resume: resume)
        if !channel.send(.request(WorkerRequest(id: request, method: method))), !channel.isBroken {
            pending[request] = nil
            resume(.failure(GuestError("\(method.name): too much at once for one command")))
        }
        loop.keepDeadlines(of: id)
        settle(loop)
    }

    /// Ends the guest: asks for it, and kills the worker where that takes too long.
    func stop(_ loop: MonitorLoop) {
        guard !isOver else { return }
        stopWasAsked = true
        if killAt == nil { killAt = deadline(in: limits.stop) }
        loop.keepDeadlines(of: id)
        if channel != nil, hello != nil {
            request(.stop, loop) { _ in }
        } else {
            try? process.send(signal: SIGTERM)
        }
    }

    private func failPending(_ error: GuestError) {
        let failed = pending
        pending = [:]
        for request in failed.values { request.resume(.failure(error)) }
    }

    // MARK: Time

    private func deadline(in milliseconds: Int) -> UInt64 {
        monotonicNanoseconds() + UInt64(max(milliseconds, 0)) * 1_000_000
    }

    /// Does what is due.
    ///
    /// - Returns: whether there are deadlines left.
    func checkDeadlines(_ now: UInt64, _ loop: MonitorLoop) -> Bool {
        guard !isOver else { return false }
        if diedAt != nil {
            processEnded(loop)
            return !isOver
        }
        for (id, request) in pending where request.deadline <= now {
            pending[id] = nil
            request.resume(.failure(GuestError("\(request.method): \(name) has not answered for \(limits.request) ms")))
        }
        if contact != nil, contactDeadline <= now { makeContact(.silent) }
        if let time = killAt, time <= now {
            killAt = nil
            Log.warning("\(name) has not ended \(limits.stop) ms after it was told to: it is killed")
            try? process.send(signal: SIGKILL)
        }
        if let time = reconnectAt, time <= now { connect(loop) }
        return !pending.isEmpty || contact != nil || killAt != nil || reconnectAt != nil
    }

    // MARK: The end

    /// The process has ended: find out how, and tell.
    func processEnded(_ loop: MonitorLoop) {
        guard !isOver else { return }
        if diedAt == nil {
            diedAt = monotonicNanoseconds()
            // It stays readable for good; from here on the clock drives.
            loop.epoll.remove(process.raw)
        }
        let processEnd = process.end()
        let result = RunResult.read(directory: launch.directory, runID: launch.runID)
        if processEnd == nil, result == nil, !stopWasAsked,
            monotonicNanoseconds() < (diedAt ?? 0) + Self.reapPatience
        {
            return loop.keepDeadlines(of: id)
        }
        finish(WorkerEnd.of(launch, result: result, processEnd: processEnd, stopWasAsked: stopWasAsked), loop)
    }

    private func finish(_ end: GuestEnd, _ loop: MonitorLoop) {
        // What it said last comes before its end.
        while let channel, !channel.isBroken {
            let messages = channel.receive()
            if messages.isEmpty { break }
            for message in messages { take(message, loop) }
        }
        isOver = true
        statistics.finish()
        failPending(GuestError("the guest has ended"))
        release(loop)
        if contact != nil {
            makeContact(.ended(end))
        } else {
            events(.consoleAdvanced)
            events(.ended(end))
        }
    }

    /// Lets the worker go on without anybody who watches it.
    func abandon(_ loop: MonitorLoop) {
        isOver = true
        failPending(GuestError("the server no longer watches \(name)"))
        release(loop)
        makeContact(.abandoned)
    }

    private func release(_ loop: MonitorLoop) {
        if let channel { loop.epoll.remove(channel.raw) }
        channel = nil
        loop.epoll.remove(process.raw)
        loop.unregister(id)
    }
}
