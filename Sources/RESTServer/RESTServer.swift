import CMicroHTTPD
import Glibc
import LinuxSystem
import Log
import ManagementService
import MetricsExposition
import Synchronization

/// The HTTP front end: libmicrohttpd's epoll threads for requests, one more thread for WebSockets and heartbeats.
package final class RESTServer: Sendable {
    private struct Running {
        var listeners: [Listener]
        /// libmicrohttpd daemons, one for each listener; started once, stopped once.
        var daemons: [OpaquePointer]
        var core: ServerCore
        var metadata: MetadataServer
    }

    private let service: any ManagementAPI
    private let configuration: RESTConfiguration
    // The pointers in it are handed from `start` to `stop` and used by nobody else.
    private let running = Mutex<SendableBox?>(nil)

    /// Unchecked: libmicrohttpd's daemon handles may be stopped from any thread.
    private struct SendableBox: @unchecked Sendable { var value: Running }

    /// Counts of the requests answered so far.
    package let metrics = RequestMetrics()

    package init(service: any ManagementAPI, configuration: RESTConfiguration) {
        self.service = service
        self.configuration = configuration
    }

    /// Where the server listens, as a client types it, with real ports. Empty before `start`.
    package var addresses: [String] { running.withLock { $0?.value.listeners.map(\.address) ?? [] } }

    /// Requests whose handling has not ended, streams among them.
    package var openRequests: Int { running.withLock { $0?.value.core.registry.openRequests ?? 0 } }

    /// Opens all listeners and begins to answer. Returns when clients can connect. Call it once.
    ///
    /// - Throws: `RESTServerError` when an address can't be had; nothing listens then.
    package func start() throws {
        let passed = configuration.usesSocketActivation ? SocketActivation.take() : []
        var listeners = try passed.map { try Listener(inherited: $0.descriptor, name: $0.name) }
        listeners += try configuration.listen.map { try Listener($0) }
        guard !listeners.isEmpty else {
            throw RESTServerError(
                description: "nothing to listen on: give --listen, or pass sockets with LISTEN_FDS")
        }
        let core = try ServerCore(
            HandlerContext(service: service, metrics: metrics, configuration: configuration))
        try core.loop.start()
        let metadata = try MetadataServer(service: service)
        var daemons: [OpaquePointer] = []
        for listener in listeners {
            guard let daemon = startDaemon(listener, core) else {
                for daemon in daemons { MHD_stop_daemon(daemon) }
                core.loop.stop()
                throw RESTServerError(description: "\(listener.address): libmicrohttpd could not start: \(Errno.last)")
            }
            daemons.append(daemon)
            Log.info("listening", ["address": listener.address])
        }
        do {
            try metadata.start()
        } catch {
            for daemon in daemons { MHD_stop_daemon(daemon) }
            core.loop.stop()
            throw error
        }
        let box = SendableBox(value: Running(listeners: listeners, daemons: daemons, core: core, metadata: metadata))
        running.withLock { $0 = box }
    }

    private func startDaemon(_ listener: Listener, _ core: ServerCore) -> OpaquePointer? {
        var settings = hv_mhd_settings()
        settings.listen_socket = listener.raw
        settings.threads = UInt32(clamping: max(1, configuration.threads))
        settings.connection_limit = UInt32(clamping: max(2, configuration.connectionLimit))
        settings.idle_timeout_seconds = UInt32(clamping: max(1, configuration.idleTimeout))
        // Room for a header somewhat over the limit, so that the answer to it is ours, and for an answer's header.
        settings.connection_memory = configuration.maximumHeaderSize * 2 + 16384
        // Not retained: `Running` holds the core until after the daemon's end.
        settings.context = Unmanaged.passUnretained(core).toOpaque()
        settings.access = Callbacks.access
        settings.completed = Callbacks.completed
        settings.log = Callbacks.log
        return hv_mhd_start(&settings)
    }

    /// Gives requests under way `stopGrace` seconds, refuses further ones, ends streams and WebSockets, and returns when
    /// no thread of the server runs any more. Blocks; a second call does nothing.
    ///
    /// Connections are accepted to the end: `MHD_quiesce_daemon` races with the daemon's own epoll threads, which end the
    /// process when they find the listening socket gone from their set (seen with libmicrohttpd 0.9.75).
    package func stop() {
        let box = running.withLock { running in
            let box = running
            running = nil
            return box
        }
        guard let box else { return }
        let core = box.value.core
        box.value.metadata.stop()
        for case let stream as EventStream in core.registry.all() { stream.serverIsStopping() }
        let deadline = monotonicNanoseconds() + UInt64(max(0, configuration.stopGrace) * 1_000_000_000)
        while core.registry.sleeperCount > 0, monotonicNanoseconds() < deadline { usleep(5000) }
        core.registry.beginStopping()
        // libmicrohttpd ends the process when a connection still sleeps: every one is woken first.
        for sleeper in core.registry.all() { sleeper.serverIsStopping() }
        core.loop.stop()
        // The last answers leave. A client that does not read them is not waited for.
        let lastWord = monotonicNanoseconds() + 500_000_000
        while core.registry.openRequests > 0, monotonicNanoseconds() < lastWord { usleep(5000) }
        for daemon in box.value.daemons { MHD_stop_daemon(daemon) }
        Log.info("stopped listening")
    }

    deinit { stop() }
}
