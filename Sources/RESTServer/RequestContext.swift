import CMicroHTTPD
import JSON
import LinuxSystem
import Log
import ManagementService
import MetricsExposition
import PartitionManager
import Synchronization

/// One request from its first line to its end. libmicrohttpd calls for a request from one thread at a time; only
/// `outcome` is touched from others.
final class RequestContext: @unchecked Sendable, RequestRegistry.Sleeper {
    // Unchecked: every member but `outcome`, which has its lock, and the constants is used on the connection's thread
    // only. A deferred handler gets a `Request`, which is a value.

    /// How far the answer is.
    private enum Outcome {
        /// Nobody works on it.
        case none
        /// The connection sleeps and a task works on it. The pointer is good: a sleeping connection is not freed.
        case pending(ConnectionHandle)
        case ready(Response)
        case queued
    }

    private enum Plan {
        case answer(Response)
        case run(Route, Request)
        case upload(BodyUpload)
    }

    /// Bytes of a body that are read and dropped so that the client, which writes before it reads, gets its answer.
    private static let discardLimit = 8 << 20

    private let core: ServerCore
    private let method: String
    private var path = ""
    private let startedAt = monotonicNanoseconds()
    private var routeName = "unmatched"
    private var plan: Plan?
    private var body: [UInt8] = []
    private var bodyLimit = 0
    private var received = 0
    /// The body may be of any size; nil: it may not.
    private var pace: UploadPace?
    private var attachment: ConsoleAttachment?
    private let outcome = Mutex(Outcome.none)

    init(_ core: ServerCore, method: String) {
        self.core = core
        self.method = method
        core.registry.requestOpened()
    }

    deinit { core.registry.requestClosed() }

    /// The request is over, answered or not.
    func ended() {
        core.registry.remove(self)
        core.brokenRequests.remove(self)
        if case .upload(let upload) = plan { upload.cancel() }
    }

    // MARK: - On the connection's thread

    /// - Parameter taken: how much of `piece` is done with; the rest is given again.
    func proceed(_ connection: OpaquePointer, piece: UnsafeRawBufferPointer, taken: inout Int) -> MHD_Result {
        if case .upload(let upload) = plan, !piece.isEmpty {
            switch outcome.withLock({ $0 }) {
            case .none: break
            // While the connection sleeps nothing is taken.
            case .pending: return .YES
            // The server is stopping.
            case .ready, .queued: return .NO
            }
            taken = piece.count
            guard upload.take(piece) else { return .NO }
            if upload.isFull { write(upload, on: connection) }
            return .YES
        }
        taken = piece.count
        if !piece.isEmpty { return take(piece) }
        switch outcome.withLock({ $0 }) {
        case .ready(let response): return queue(response, on: connection)
        case .pending, .queued: return .YES
        case .none: return answer(connection)
        }
    }

    /// The header is there. An answer is not given yet, whatever it will be: an answer before the body is read makes
    /// libmicrohttpd close the connection.
    func begin(_ connection: OpaquePointer, path: String) -> MHD_Result {
        self.path = path
        let headers = Headers(of: connection, .HEADER_KIND)
        let parameters = Headers(of: connection, .GET_ARGUMENT_KIND)
        do {
            try makePlan(headers, parameters)
        } catch {
            plan = .answer(Problem(catching: error).response(instance: path))
        }
        if headers["content-length"] ?? "0" != "0" || headers["transfer-encoding"] != nil { waitForBody(connection) }
        if case .upload = plan { return .YES }
        if pace != nil, case .answer(let response) = plan {
            // A client that waits for leave to send its body gets the refusal in place of it. Of another the body is
            // read to its end: it would not see an answer before that.
            if headers.words("expect").contains("100-continue") { return queue(response, on: connection) }
            return .YES
        }
        if let length = headers["content-length"], UInt64(length).map({ $0 > UInt64(Self.discardLimit) }) ?? true {
            // Too much to read for nothing.
            return queue(tooLarge(), on: connection)
        }
        return .YES
    }

    private func makePlan(_ headers: Headers, _ parameters: Headers) throws {
        let limit = core.configuration.maximumHeaderSize
        guard headers.size + parameters.size + path.utf8.count <= limit else {
            throw Problem(
                .headerTooLarge, "The request's target and header fields are over \(limit) bytes.",
                expected: "at most \(limit) bytes")
        }
        let target = try RequestTarget(path: path, parameters: parameters.fields)
        switch Route.find(method, target, in: Route.table) {
        case .unknownPath:
            throw Problem(.notFoundRoute, "There is no path '\(target.rawPath)'; see /v1/openapi.json.")
        case .wrongMethod(let template, let allow):
            routeName = template
            var problem = Problem(
                .methodNotAllowed, "The path takes \(allow), not \(method).", expected: allow)
            problem.headers = [("Allow", allow)]
            throw problem
        case .options(let template, let allow):
            routeName = template
            plan = .answer(Response(status: 204).with("Allow", allow))
        case .route(let route, let names):
            routeName = route.template
            try OriginRule.check(method, headers)
            try Self.checkMediaType(route, headers)
            bodyLimit =
                switch route.body {
                case .none, .bytes, .stream: core.configuration.maximumConsoleInput
                case .json, .mergePatch: core.configuration.maximumBodySize
                }
            let pace = UploadPace(core.configuration)
            if case .stream = route.body { self.pace = pace }
            let query = try Query(target.query, allowed: route.query)
            let request = Request(
                method: method, target: target, headers: headers, body: [], id: names.id, item: names.item,
                query: query)
            guard case .upload(let handler) = route.handler else {
                plan = .run(route, request)
                return
            }
            let size = headers["content-length"].flatMap { UInt64($0) }
            plan = .upload(
                BodyUpload(try handler(request, size, core.handlerContext), pace))
        }
    }

    private static func checkMediaType(_ route: Route, _ headers: Headers) throws {
        guard let allowed = route.body.mediaTypes, let given = headers["content-type"] else { return }
        let parts = given.split(separator: ";", omittingEmptySubsequences: false)
        let type = trimmed(parts.first ?? "").lowercased()
        let isUTF8 = parts.dropFirst().allSatisfy { parameter in
            let text = trimmed(parameter).lowercased()
            return !text.hasPrefix("charset=") || text == "charset=utf-8" || text == "charset=\"utf-8\""
        }
        // What `curl -d` says when it is told nothing else: typed by hand, it means the JSON that it holds. A web page,
        // which could send it too, is kept out by `OriginRule`.
        if type == "application/x-www-form-urlencoded" { return }
        guard allowed.contains(type), isUTF8 else {
            throw Problem(
                .unsupportedMediaType, "The body has the media type '\(given)'.", field: "Content-Type",
                expected: allowed.joined(separator: " or "))
        }
    }

    private func take(_ piece: UnsafeRawBufferPointer) -> MHD_Result {
        // Each piece is at most libmicrohttpd's buffer, so the sum stays far from overflow.
        received += piece.count
        let goesOn = pace?.allows(UInt64(received)) ?? (received <= max(Self.discardLimit, bodyLimit))
        guard goesOn else { return .NO }
        if case .run = plan {
            if received <= bodyLimit {
                body.append(contentsOf: piece)
            } else {
                plan = .answer(tooLarge())
                body = []
            }
        }
        return .YES
    }

    private func answer(_ connection: OpaquePointer) -> MHD_Result {
        switch plan {
        case .none: return .NO
        case .answer(let response): return queue(response, on: connection)
        case .upload(let upload):
            suspend(connection)
            let path = path
            Task { [self] in finish(await upload.finish(path: path)) }
            return .YES
        case .run(let route, var request):
            request.body = body
            body = []
            switch route.handler {
            case .immediate(let handler):
                do {
                    return queue(try handler(request, core.handlerContext), on: connection)
                } catch {
                    return queue(Problem(catching: error).response(instance: path), on: connection)
                }
            // Such a route has its plan from the beginning.
            case .upload: return .NO
            case .deferred(let handler):
                suspend(connection)
                let context = core.handlerContext
                Task { [self, request] in
                    do {
                        finish(try await handler(request, context))
                    } catch {
                        finish(Problem(catching: error).response(instance: path))
                    }
                }
                return .YES
            }
        }
    }

    /// More of the body is to come.
    private func waitForBody(_ connection: OpaquePointer) {
        core.brokenRequests.insert(self, socket: hv_mhd_socket(connection))
    }

    /// Puts the connection to sleep until `finish` or `goOn`.
    private func suspend(_ connection: OpaquePointer) {
        core.brokenRequests.remove(self)
        MHD_suspend_connection(connection)
        let handle = ConnectionHandle(raw: connection)
        outcome.withLock { $0 = .pending(handle) }
        if !core.registry.insert(self) { serverIsStopping() }
    }

    /// Gives what there is of an upload to the disk while the connection sleeps.
    private func write(_ upload: BodyUpload, on connection: OpaquePointer) {
        suspend(connection)
        Task { [self] in
            await upload.flush()
            goOn()
        }
    }

    // MARK: - From any thread

    /// Wakes the connection without an answer: the body goes on.
    private func goOn() {
        let connection: ConnectionHandle? = outcome.withLock { outcome in
            guard case .pending(let connection) = outcome else { return nil }
            outcome = .none
            return connection
        }
        guard let connection else { return }
        core.registry.remove(self)
        waitForBody(connection.raw)
        MHD_resume_connection(connection.raw)
    }

    /// Gives the answer and wakes the connection. Only the first call counts.
    private func finish(_ response: Response) {
        let connection: ConnectionHandle? = outcome.withLock { outcome in
            guard case .pending(let connection) = outcome else { return nil }
            outcome = .ready(response)
            return connection
        }
        guard let connection else { return }
        core.registry.remove(self)
        // The one who took `.pending` away resumes; nobody else does, so the connection is still there.
        MHD_resume_connection(connection.raw)
    }

    func serverIsStopping() {
        finish(Problem(ServiceError(.unavailable, "The server is stopping.")).response(instance: path))
    }

    // MARK: - Answers

    private func tooLarge() -> Response {
        let limit = bodyLimit > 0 ? bodyLimit : core.configuration.maximumBodySize
        return Problem(
            .payloadTooLarge, "The body is over \(limit) bytes.", expected: "at most \(limit) bytes"
        ).response(instance: path)
    }

    private func queue(_ response: Response, on connection: OpaquePointer) -> MHD_Result {
        core.brokenRequests.remove(self)
        outcome.withLock { $0 = .queued }
        let elapsed = Double(monotonicNanoseconds() - startedAt) / 1_000_000_000
        core.handlerContext.metrics.record(
            method: Self.knownMethods.contains(method) ? method : "other", route: routeName, status: response.status,
            seconds: elapsed)
        if Log.level <= .debug {
            Log.debug(
                "request", ["method": method, "path": path, "status": String(response.status), "s": String(elapsed)])
        }
        guard let handle = makeHandle(response, connection) else { return .NO }
        defer { MHD_destroy_response(handle) }
        for (name, value) in response.headers { MHD_add_response_header(handle, name, value) }
        if let type = response.contentType {
            MHD_add_response_header(handle, "Content-Type", type)
            // A console's bytes are the guest's: no browser may take them for a page.
            MHD_add_response_header(handle, "X-Content-Type-Options", "nosniff")
        }
        return MHD_queue_response(connection, UInt32(response.status), handle)
    }

    private func makeHandle(_ response: Response, _ connection: OpaquePointer) -> OpaquePointer? {
        switch response.body {
        case .bytes(let bytes):
            // MUST_COPY: libmicrohttpd reads the bytes before this returns and never writes to them.
            return bytes.withUnsafeBytes { buffer in
                MHD_create_response_from_buffer(
                    buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress), .RESPMEM_MUST_COPY)
            }
        case .events(let stream):
            stream.open(on: connection, registry: core.registry)
            let retained = Unmanaged.passRetained(stream)
            let handle = MHD_create_response_from_callback(
                hv_mhd_size_unknown, 8192, Callbacks.readStream, retained.toOpaque(), Callbacks.freeStream)
            if handle == nil { retained.takeRetainedValue().closed() }
            return handle
        case .webSocket(let attachment):
            self.attachment = attachment
            return MHD_create_response_for_upgrade(Callbacks.upgraded, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    func upgraded(socket: Int32, handle: OpaquePointer, early: [UInt8]) {
        guard let attachment, core.loop.add(attachment, socket: socket, handle: handle, early: early) else {
            _ = hv_mhd_close_upgraded(handle)
            return
        }
    }

    private static let knownMethods: Set<String> = [
        "GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "CONNECT", "TRACE",
    ]
}
