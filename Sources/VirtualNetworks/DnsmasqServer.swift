import Glibc
import LinuxSystem

/// The dnsmasq of one network, which goes on when this program ends and is found again by the next.
///
/// Its log is locked by whoever holds the open file: that is dnsmasq itself for as long as it lives. So a lock that can be
/// taken proves that there is none, and while it can't the number in the file of its process is its own. Blocks.
final class DnsmasqServer {
    private static let startTimeout = 10_000
    private static let logLimit: UInt64 = 1 << 20
    private static let configurationName = "dnsmasq.conf"
    private static let logName = "dnsmasq.log"
    private static let processName = "dnsmasq.pid"

    let process: PidFD
    let configuration: String
    /// Monotonic nanoseconds.
    let startedAt: UInt64

    private init(_ process: PidFD, _ configuration: String) {
        self.process = process
        self.configuration = configuration
        startedAt = monotonicNanoseconds()
    }

    /// Starts it. It answers when this returns.
    ///
    /// - Parameter directory: the network's own; no other dnsmasq runs in it.
    static func start(_ configuration: String, directory: String) throws(NetworkFailure) -> DnsmasqServer {
        guard let path = NetworkTool.dnsmasq.path else {
            throw NetworkFailure("this host has no dnsmasq (Debian: \(NetworkTool.dnsmasq.package))")
        }
        let (process, offset): (PidFD, UInt64)
        do throws(Errno) {
            try WholeFile.replace(
                directory: directory, name: configurationName, with: Array(configuration.utf8), durable: false)
            try WholeFile.remove("\(directory)/\(processName)")
            let null = try FileDescriptor(opening: "/dev/null", O_RDWR)
            let log = try FileDescriptor(
                opening: "\(directory)/\(logName)", O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW)
            let number = log.raw
            try retryingInterrupts { flock(number, LOCK_EX | LOCK_NB) }
            if try log.size() > logLimit { try log.setSize(0) }
            offset = try log.size()
            let id = try ProcessSpawn.start(
                path,
                arguments: [
                    "--keep-in-foreground", "--conf-file=\(directory)/\(configurationName)",
                    "--pid-file=\(directory)/\(processName)",
                ], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
                descriptors: [null.raw, log.raw, log.raw])
            process = try PidFD(id)
        } catch {
            throw NetworkFailure("dnsmasq can't be started: \(error)")
        }
        // It says its number when it has read all and has its sockets.
        let deadline = monotonicNanoseconds() + UInt64(startTimeout) * 1_000_000
        while recordedProcess(directory) != process.processID {
            guard !process.waitForEnd(milliseconds: 5), monotonicNanoseconds() < deadline else {
                end(process)
                throw NetworkFailure("dnsmasq did not start: \(lastWords(directory, from: offset))")
            }
        }
        return DnsmasqServer(process, configuration)
    }

    /// The one that an earlier server started in `directory`; nil where there is none.
    static func find(_ directory: String) -> DnsmasqServer? {
        let deadline = monotonicNanoseconds() + 2_000_000_000
        while isRunning(directory) {
            if let id = recordedProcess(directory), let process = try? PidFD(id), isRunning(directory) {
                let bytes = (try? WholeFile.read("\(directory)/\(configurationName)", limit: 16 << 20)) ?? []
                return DnsmasqServer(process, String(decoding: bytes, as: UTF8.self))
            }
            // Just begun: its number comes.
            guard monotonicNanoseconds() < deadline else { return nil }
            usleep(20_000)
        }
        return nil
    }

    func stop() { Self.end(process) }

    /// Keeps the log of one that runs small.
    static func trimLog(_ directory: String) {
        guard let log = try? FileDescriptor(opening: "\(directory)/\(logName)", O_WRONLY | O_NOFOLLOW),
            let size = try? log.size(), size > logLimit
        else { return }
        // It writes at the end, wherever that is.
        try? log.setSize(0)
    }

    private static func end(_ process: PidFD) {
        try? process.send(signal: SIGTERM)
        if !process.waitForEnd(milliseconds: 3000) {
            try? process.send(signal: SIGKILL)
            _ = process.waitForEnd(milliseconds: 10_000)
        }
        _ = process.end()
    }

    private static func isRunning(_ directory: String) -> Bool {
        guard let log = try? FileDescriptor(opening: "\(directory)/\(logName)", O_RDWR | O_NOFOLLOW) else {
            return false
        }
        return flock(log.raw, LOCK_EX | LOCK_NB) != 0
    }

    private static func recordedProcess(_ directory: String) -> Int32? {
        guard let bytes = try? WholeFile.read("\(directory)/\(processName)", limit: 32) else { return nil }
        // The line is whole when its end is there.
        guard bytes.last == UInt8(ascii: "\n") else { return nil }
        return Int32(String(decoding: bytes.dropLast(), as: UTF8.self))
    }

    private static func lastWords(_ directory: String, from offset: UInt64) -> String {
        guard let log = try? FileDescriptor(opening: "\(directory)/\(logName)", O_RDONLY),
            let bytes = try? log.read(count: 4096, at: Int64(clamping: offset))
        else { return "it says nothing" }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.last.map(String.init) ?? "it says nothing"
    }
}
