import CLinux
import CMicroHTTPD
import Glibc
import LinuxSystem
import Log
import ManagementService
import NetworkBackends
import Synchronization
import VirtualNetworks

/// Serves guests their metadata: a libmicrohttpd of its own for each network, whose socket knows the network's bridge only.
/// It has nothing of the API: no route of that is reached through it.
final class MetadataServer: Sendable {
    private struct State {
        var listeners: [String: MetadataListener] = [:]
        var observation: Observation?
        var isStopped = false
    }

    private let service: any ManagementAPI
    private let state = Mutex(State())
    /// Opening sockets and ending daemons waits: it is done on a thread of its own, one look after the other.
    private let wakeup: EventFD
    private static let retryInterval = 2000

    init(service: any ManagementAPI) throws(Errno) {
        self.service = service
        wakeup = try EventFD()
    }

    func start() throws(Errno) {
        let epoll = try EpollSet()
        try epoll.add(wakeup.raw, token: 0)
        let observation = service.observeNetworks { [wakeup] in wakeup.signal() }
        state.withLock { $0.observation = observation }
        try SystemThread(name: "metadata") { [self] in
            while true {
                // First taken, then looked: what is said after the look wakes the thread again.
                wakeup.drain()
                if state.withLock({ $0.isStopped }) { break }
                let isComplete = look()
                _ = epoll.wait(milliseconds: isComplete ? nil : Self.retryInterval)
            }
            let listeners = state.withLock { state in
                defer { state.listeners = [:] }
                return state.listeners
            }
            for listener in listeners.values { listener.stop() }
        }.detach()
    }

    func stop() {
        let observation = state.withLock { state in
            state.isStopped = true
            defer { state.observation = nil }
            return state.observation
        }
        observation?.cancel()
        wakeup.signal()
    }

    /// Opens what is missing and closes what is no more served; false where something could not be opened.
    private func look() -> Bool {
        let wanted = service.servedMetadata
        var listeners = state.withLock { $0.listeners }
        for (network, listener) in listeners where wanted[network] != listener.bridge || !listener.isOnItsBridge {
            listener.stop()
            listeners[network] = nil
        }
        var isComplete = true
        for (network, bridge) in wanted where listeners[network] == nil {
            do throws(Errno) {
                listeners[network] = try MetadataListener(network, bridge: bridge, service)
            } catch {
                isComplete = false
                Log.warning("the metadata of a network can't be served", ["network": network, "error": "\(error)"])
            }
        }
        let now = listeners
        state.withLock { $0.listeners = now }
        return isComplete
    }
}

/// The socket of one network and the daemon on it.
///
/// Unchecked: the daemon's handle is used by `stop` only, which one thread calls once.
final class MetadataListener: @unchecked Sendable {
    let network: String
    let bridge: String
    private let index: UInt32
    private let service: any ManagementAPI
    private let socket: FileDescriptor
    private var daemon: OpaquePointer?

    init(_ network: String, bridge: String, _ service: any ManagementAPI) throws(Errno) {
        self.network = network
        self.bridge = bridge
        self.service = service
        index = if_nametoindex(bridge)
        socket = try Self.open(bridge)
        var settings = hv_mhd_settings()
        settings.listen_socket = socket.raw
        settings.threads = 1
        settings.connection_limit = 64
        settings.connections_per_client = 8
        settings.idle_timeout_seconds = 10
        settings.connection_memory = 16 << 10
        // Not retained: this object lives until after `stop`.
        settings.context = Unmanaged.passUnretained(self).toOpaque()
        settings.access = Self.access
        settings.completed = Self.completed
        settings.log = Callbacks.log
        daemon = hv_mhd_start(&settings)
        guard daemon != nil else { throw Errno(EAGAIN) }
        Log.info("serving metadata", ["network": network, "bridge": bridge])
    }

    /// Whether the bridge is still the one that the socket knows: one that was made again is another.
    var isOnItsBridge: Bool { if_nametoindex(bridge) == index }

    func stop() {
        guard let daemon else { return }
        self.daemon = nil
        MHD_stop_daemon(daemon)
    }

    private static func open(_ bridge: String) throws(Errno) -> FileDescriptor {
        let kind = Int32(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK
        let socket = FileDescriptor(owning: try retryingInterrupts { Glibc.socket(AF_INET, kind, 0) })
        let number = socket.raw
        var one: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        // Other networks have the same address: this one hears its own bridge only.
        try retryingInterrupts { setsockopt(number, SOL_SOCKET, SO_BINDTODEVICE, bridge, socklen_t(bridge.utf8.count)) }
        // What the guest passes on, to a container for example, does not arrive.
        try retryingInterrupts {
            setsockopt(number, Int32(IPPROTO_IP), IP_TTL, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = MetadataAddress.port.bigEndian
        address.sin_addr = in_addr(s_addr: MetadataAddress.address.value.bigEndian)
        try retryingInterrupts {
            withUnsafePointer(to: &address) { pointer in
                // Every `sockaddr_…` begins as `sockaddr` does, and the kernel is given its true size.
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        try retryingInterrupts { listen(number, 64) }
        return socket
    }

    // MARK: On libmicrohttpd's thread

    /// What is kept of a request: how much of a body came, which nobody reads.
    private final class Exchange {
        var received = 0
    }

    /// The largest body that is read and dropped.
    private static let discardLimit = 4096

    /// Called with the header, with each piece of the body, and without one when the answer is due: an answer before that
    /// makes libmicrohttpd close the connection.
    private static let access: MHD_AccessHandlerCallback = { listener, connection, path, method, _, _, size, context in
        guard let listener, let connection, let method, let path, let size, let context else { return .NO }
        guard let object = context.pointee else {
            context.pointee = Unmanaged.passRetained(Exchange()).toOpaque()
            return .YES
        }
        if size.pointee > 0 {
            let exchange = Unmanaged<Exchange>.fromOpaque(object).takeUnretainedValue()
            exchange.received += size.pointee
            size.pointee = 0
            return exchange.received <= discardLimit ? .YES : .NO
        }
        let server = Unmanaged<MetadataListener>.fromOpaque(listener).takeUnretainedValue()
        return server.respond(connection, method: String(cString: method), path: String(cString: path))
    }

    private static let completed: MHD_RequestCompletedCallback = { _, _, context, _ in
        guard let context, let object = context.pointee else { return }
        context.pointee = nil
        Unmanaged<Exchange>.fromOpaque(object).release()
    }

    private func respond(_ connection: OpaquePointer, method: String, path: String) -> MHD_Result {
        guard let address = Self.client(connection) else { return .NO }
        let headers = Headers(of: connection, .HEADER_KIND).fields.map {
            (name: $0.name.lowercased(), value: $0.value)
        }
        let answer = service.answerMetadata(
            MetadataRequest(network: network, address: address, method: method, path: path, headers: headers))
        let handle = answer.body.withUnsafeBytes { buffer in
            // MUST_COPY: libmicrohttpd reads the bytes before this returns and never writes to them.
            MHD_create_response_from_buffer(
                buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let handle else { return .NO }
        defer { MHD_destroy_response(handle) }
        for (name, value) in answer.headers { MHD_add_response_header(handle, name, value) }
        return MHD_queue_response(connection, UInt32(answer.status), handle)
    }

    private static func client(_ connection: OpaquePointer) -> IPv4Address? {
        guard let address = hv_mhd_client_address(connection), Int32(address.pointee.sa_family) == AF_INET else {
            return nil
        }
        // The family says that it is this one.
        return UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            IPv4Address(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
        }
    }
}
