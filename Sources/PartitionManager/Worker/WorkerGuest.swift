import DeviceSources
import WorkerProtocol

/// A guest in a worker process of its own.
final class WorkerGuest: GuestDriver {
    /// A frame holds 1 MiB of Base64 and some more; this leaves room.
    private static let consolePiece = 1 << 18

    let processID: Int32?
    private let connection: WorkerConnection
    private let monitor: WorkerMonitor
    private let counters: WorkerStatistics

    init(processID: Int32, connection: WorkerConnection, monitor: WorkerMonitor, counters: WorkerStatistics) {
        self.processID = processID
        self.connection = connection
        self.monitor = monitor
        self.counters = counters
    }

    func pause() async throws(GuestError) { try await request(.pause) }
    func resume() async throws(GuestError) { try await request(.resume) }
    func reset() async throws(GuestError) { try await request(.reset) }
    func setProcessors(count: Int) async throws(GuestError) { try await request(.setProcessors(count)) }
    func setMemory(size: UInt64) async throws(GuestError) { try await request(.setMemory(size)) }
    func setBalloon(size: UInt64, statisticsInterval: Int) async throws(GuestError) {
        try await request(.setBalloon(size: size, statisticsInterval: UInt64(clamping: statisticsInterval)))
    }
    func pressPowerButton() async throws(GuestError) { try await request(.powerButton) }

    func stop() async throws(GuestError) {
        let connection = connection
        guard monitor.perform({ connection.stop($0) }) else { throw Self.closed(.stop) }
    }

    func writeConsole(_ bytes: [UInt8]) async throws(GuestError) -> Int {
        var written = 0
        while written < bytes.count {
            let piece = Array(bytes[written..<min(written + Self.consolePiece, bytes.count)])
            let answer = try await request(.consoleWrite(piece))
            guard case .taken(let count) = answer, count <= UInt64(piece.count) else {
                throw GuestError("console-write: the worker did not say how many bytes it took")
            }
            written += Int(count)
            if count < UInt64(piece.count) { break }
        }
        return written
    }

    func attach(_ device: DeviceSource) async throws(GuestError) { try await request(.attach(device)) }
    func detach(_ device: DeviceName, force: Bool) async throws(GuestError) {
        try await request(.detach(device, force: force))
    }
    func keep(_ device: DeviceName) async throws(GuestError) { try await request(.keep(device)) }
    func limit(_ device: DeviceName, _ limit: DeviceLimit?) async throws(GuestError) {
        try await request(.limit(device, limit))
    }

    /// No event comes any more, and commands fail.
    func abandon() {
        let connection = connection
        _ = monitor.perform { connection.abandon($0) }
    }

    func statistics() -> GuestStatistics { counters.read() }

    @discardableResult
    private func request(_ method: WorkerRequest.Method) async throws(GuestError) -> WorkerResponse.Result {
        let connection = connection
        let answer: WorkerConnection.Answer = await withCheckedContinuation { continuation in
            let accepted = monitor.perform { loop in
                connection.request(method, loop) { continuation.resume(returning: $0) }
            }
            if !accepted { continuation.resume(returning: .failure(Self.closed(method))) }
        }
        return try answer.get()
    }

    private static func closed(_ method: WorkerRequest.Method) -> GuestError {
        GuestError("\(method.name): the server is ending")
    }
}
