import LinuxSystem
import NetworkBackends

/// Watches over the pairs of a network device that the kernel serves: counts what goes through, and learns of drivers
/// that break rules. A thread that wakes once a second.
final class VhostWatch: Sendable {
    private static let period = 1000
    private static let stopToken: UInt64 = 0

    private let stopping: EventFD
    private let thread: SystemThread

    /// - Parameters:
    ///   - before: what was counted before the kernel served the pairs.
    ///   - errors: signalled where the kernel serves a queue no more.
    ///   - account: is told of what went through the tap since, on the thread.
    ///   - broken: is called once, on the thread.
    /// - Throws: `Errno` where the host has no descriptors or threads left.
    init(
        _ path: NetKernelPath, before: TapCounters, errors: [EventFD],
        account: @escaping @Sendable (NetAccount) -> Void,
        broken: @escaping @Sendable () -> Void
    ) throws(Errno) {
        let stopping = try EventFD()
        let set = try EpollSet()
        try set.add(stopping.raw, token: Self.stopToken)
        for error in errors { try set.add(error.raw, token: Self.stopToken + 1) }
        self.stopping = stopping
        thread = try SystemThread(name: "vhost watch") {
            var last = before
            func count() {
                let now = TapCounters(of: path)
                let news = now.account(since: last)
                last = now
                if news != NetAccount() { account(news) }
            }
            while true {
                let ready = set.wait(milliseconds: Self.period)
                count()
                if ready.contains(where: { $0.token == Self.stopToken }) { return }
                guard !ready.isEmpty else { continue }
                broken()
                for error in errors { set.remove(error.raw) }
            }
        }
    }

    /// Counts for the last time, and ends the thread.
    func end() {
        stopping.signal()
        thread.join()
    }
}

/// What the host counts of a tap. Its directions are the host's: what it receives the guest has sent.
struct TapCounters: Equatable {
    var received: NetAccount.Direction
    var sent: NetAccount.Direction
    /// Received, and kept back for their source addresses.
    var spoofed = SourceFilter.Dropped()

    init(of path: NetKernelPath) {
        let tap = path.tap
        func value(_ name: String) -> UInt64 {
            guard let text = try? WholeFile.read("/sys/class/net/\(tap)/statistics/\(name)", limit: 64) else {
                return 0
            }
            return UInt64(String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)) ?? 0
        }
        received = NetAccount.Direction(
            packets: value("rx_packets"), bytes: value("rx_bytes"), dropped: value("rx_dropped"))
        sent = NetAccount.Direction(
            packets: value("tx_packets"), bytes: value("tx_bytes"), dropped: value("tx_dropped"))
        if let filter = path.filter { spoofed = filter.dropped }
    }

    /// What went through since, as the guest sees it.
    func account(since before: TapCounters) -> NetAccount {
        var account = NetAccount()
        account.sent = received.since(before.received)
        account.received = sent.since(before.sent)
        guard spoofed.packets > before.spoofed.packets else { return account }
        account.spoofed = spoofed.packets - before.spoofed.packets
        account.sent.dropped += account.spoofed
        account.sent.packets -= min(account.spoofed, account.sent.packets)
        account.sent.bytes -= min(spoofed.bytes &- before.spoofed.bytes, account.sent.bytes)
        return account
    }
}

extension NetAccount.Direction {
    init(packets: UInt64, bytes: UInt64, dropped: UInt64) {
        self.packets = packets
        self.bytes = bytes
        self.dropped = dropped
    }

    /// Counters that went back, as those of a tap that was made anew, count from zero.
    fileprivate func since(_ before: NetAccount.Direction) -> NetAccount.Direction {
        func difference(_ now: UInt64, _ before: UInt64) -> UInt64 { now >= before ? now - before : now }
        return NetAccount.Direction(
            packets: difference(packets, before.packets), bytes: difference(bytes, before.bytes),
            dropped: difference(dropped, before.dropped))
    }
}
