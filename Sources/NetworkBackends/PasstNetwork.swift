import Glibc
import LinuxSystem

/// A network of user mode: passt carries a guest's connections, and nothing on the host needs privileges for it. Where
/// passt ends it is started again; connections end with it, as with a router's.
package final class PasstNetwork: NetworkBackend {
    private static let shortestPause = 500
    private static let longestPause = 30_000
    /// Milliseconds; one that ran for so long was well.
    private static let goodLife: UInt64 = 60_000_000_000

    /// There is one way through a stream, and nothing may be left to the other side.
    package let offloads: NetworkOffloads = []
    package let mtu: Int
    package var queues: [any NetworkQueue] { [stream] }
    private let stream: PacketStream
    private let ending: EventFD
    private let thread: SystemThread

    /// - Parameters:
    ///   - mtu: nil: the most there can be, since the packets of no link are behind it.
    ///   - report: is given a line when passt ends, and when it is there again.
    /// - Throws: `NetworkError` where it can't be had; it says what would be needed.
    package init(
        _ user: NetworkSource.User, mtu wanted: Int? = nil, mac: MACAddress,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(NetworkError) {
        let mtu = wanted ?? NetworkSource.User.defaultMTU
        self.mtu = mtu
        let first = try PasstProcess(user, mtu: mtu, mac: mac)
        do throws(Errno) {
            let process = first.process
            let stream = try PacketStream(try first.socket.duplicate())
            let ending = try EventFD()
            (self.stream, self.ending) = (stream, ending)
            thread = try SystemThread(name: "passt") {
                Self.keep(process, ending) { () throws(NetworkError) in
                    let next = try PasstProcess(user, mtu: mtu, mac: mac)
                    do throws(Errno) {
                        try stream.replace(try next.socket.duplicate())
                    } catch {
                        throw NetworkError("its socket can't be used: \(error)")
                    }
                    return next.process
                } report: {
                    report($0)
                }
            }
        } catch {
            throw NetworkError("passt can't be served: \(error)")
        }
    }

    deinit {
        ending.signal()
        thread.join()
    }

    package func setReceiveOffloads(_ offloads: NetworkOffloads) {}
    package func setActive(queues count: Int) {}

    /// Starts the process again whenever it has ended, until `ending` says that it is over.
    private static func keep(
        _ first: PidFD, _ ending: EventFD, restart: () throws(NetworkError) -> PidFD, report: (String) -> Void
    ) {
        var process = first
        var (startedAt, pause) = (monotonicNanoseconds(), shortestPause)
        while wait(for: process.raw, ending, milliseconds: -1) {
            report("passt has ended (\(process.end().map { "\($0)" } ?? "nobody knows how")); starting it again")
            if monotonicNanoseconds() - startedAt > goodLife { pause = shortestPause }
            repeat {
                if !wait(for: -1, ending, milliseconds: Int32(pause)) { return }
                pause = min(2 * pause, longestPause)
                do throws(NetworkError) {
                    process = try restart()
                    startedAt = monotonicNanoseconds()
                    break
                } catch {
                    report("\(error); trying again")
                }
            } while true
            report("passt is there again")
        }
        try? process.send(signal: SIGTERM)
        if !process.waitForEnd(milliseconds: 2000) { try? process.send(signal: SIGKILL) }
        _ = process.waitForEnd(milliseconds: 2000)
        _ = process.end()
    }

    /// - Returns: false where it is over.
    private static func wait(for descriptor: Int32, _ ending: EventFD, milliseconds: Int32) -> Bool {
        let (end, wanted) = (ending.raw, Int16(POLLIN))
        var entries = [pollfd(fd: end, events: wanted, revents: 0), pollfd(fd: descriptor, events: wanted, revents: 0)]
        while poll(&entries, 2, milliseconds) < 0 {}
        return entries[0].revents == 0
    }
}
