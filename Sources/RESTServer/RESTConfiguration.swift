/// What a REST server listens on and what it lets a client do.
package struct RESTConfiguration: Sendable {
    /// Where to listen, beside the sockets that systemd passes.
    package var listen: [ListenAddress]
    /// Whether sockets passed by systemd (`LISTEN_FDS`) are taken.
    package var usesSocketActivation = true
    /// Event loop threads of each listener.
    package var threads = 2
    /// Open connections of each listener; more wait in the kernel's backlog.
    package var connectionLimit = 1000
    /// A connection on which nothing moves for so many seconds is closed.
    package var idleTimeout = 60
    /// Bytes of a JSON body.
    package var maximumBodySize = 1 << 20
    /// Seconds after which an upload that comes slower than `minimumUploadRate` is ended.
    package var uploadGrace = 60.0
    /// Bytes a second, on average.
    package var minimumUploadRate = 1024.0
    /// Bytes of one `POST /v1/vms/{id}/console`, and of one WebSocket message.
    package var maximumConsoleInput = 64 << 10
    /// Bytes of the request's target and header fields together.
    package var maximumHeaderSize = 16 << 10
    /// Arrays and objects in one another.
    package var maximumJSONDepth = 32
    /// Seconds of silence after which an event stream sends a comment.
    package var heartbeat = 15.0
    /// Seconds that `stop` gives to requests under way before it answers them with 503.
    package var stopGrace = 2.0

    package init(listen: [ListenAddress]) { self.listen = listen }
}
