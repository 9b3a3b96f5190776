import Glibc
import LinuxSystem
import Log
import NetworkBackends

/// Compares the networks that are to be with those that are, and makes the one the other. Used by one thread.
final class NetworkReconciler {
    /// Nanoseconds after which everything is looked at again: who deletes a bridge or flushes all rules does not tell us.
    private static let checkInterval: UInt64 = 15_000_000_000
    private static let shortestPause: UInt64 = 500_000_000
    private static let longestPause: UInt64 = 30_000_000_000
    /// One that ran for so long was well.
    private static let goodLife: UInt64 = 60_000_000_000

    /// What is known of one network.
    fileprivate struct Known {
        var definition: NetworkDefinition
        var status = NetworkStatus(.pending)
        /// Whether the bridge was made as `definition` says.
        var isMade = false
        var server: DnsmasqServer?
        var token: UInt64 = 0
        /// Failures since it was well, and when (monotonic) it is tried again.
        var failures = 0
        var retryAt: UInt64 = 0
    }

    private let directory: String
    private let lockDirectory: String
    private let install: String
    private let epoll: EpollSet
    private var known: [String: Known] = [:]
    private var nextToken: UInt64 = 1
    private var hasSwept = false
    private var sweepFailures = 0
    /// The rules that the kernel has.
    private var rules: String?
    private var rulesFailure: NetworkFailure?
    private var checkAt: UInt64 = 0
    /// As whom dnsmasq goes on: the first of these that the host knows; nil where this is not root.
    private lazy var user: String? = geteuid() == 0 ? ["dnsmasq", "nobody"].first { getpwnam($0) != nil } : nil

    init(directory: String, lockDirectory: String, install: String, epoll: EpollSet) {
        self.directory = directory
        self.lockDirectory = lockDirectory
        self.install = install
        self.epoll = epoll
    }

    var statuses: [String: NetworkStatus] { known.mapValues(\.status) }

    /// When (monotonic nanoseconds) to come again if nothing happens.
    var nextDeadline: UInt64 {
        guard !known.isEmpty || rules != nil || !hasSwept else { return .max }
        let retries = known.values.filter { $0.status.state == .failed }.map(\.retryAt)
        return ([checkAt] + retries).min() ?? checkAt
    }

    func run(_ wish: NetworkEngine.Wish) {
        guard isUsed(wish) else { return }
        let isCheck = monotonicNanoseconds() >= checkAt
        if isCheck { checkAt = monotonicNanoseconds() + Self.checkInterval }
        removeOthers(than: Set(wish.networks.map(\.id)))
        let hasMacvtaps = (wish.networks + known.values.map(\.definition)).contains { $0.mode == .macvtap }
        if isCheck, hasMacvtaps { MacvtapLink.sweep(lockDirectory: lockDirectory) }
        applyRules(wish, isCheck: isCheck)
        for network in wish.networks {
            var entry = known[network.id] ?? Known(definition: network)
            if entry.definition != network { (entry.definition, entry.isMade, entry.retryAt) = (network, false, 0) }
            keep(&entry, wish.reservations[network.id] ?? [], isCheck: isCheck)
            known[network.id] = entry
        }
    }

    /// Whether there is anything to do. A server that has no networks and had none since the host's start leaves the host
    /// alone, and needs no rights for it.
    private func isUsed(_ wish: NetworkEngine.Wish) -> Bool {
        if access(directory, F_OK) == 0 { return true }
        // It is there before anything else is.
        if wish.networks.contains(where: \.isMade), mkdir(directory, 0o700) != 0 {
            Log.error("the directory of networks can't be made: \(Errno.last)", ["directory": directory])
        }
        return !wish.networks.isEmpty || !known.isEmpty
    }

    // MARK: One network

    private func keep(_ entry: inout Known, _ reservations: [NetworkReservation], isCheck: Bool) {
        noteEnd(&entry)
        guard entry.status.state != .failed || monotonicNanoseconds() >= entry.retryAt else { return }
        let network = entry.definition
        do throws(NetworkFailure) {
            guard network.isMade else {
                if isCheck || entry.status.state != .ready { try HostBridge.checkExisting(network) }
                return entry.set(ready: monotonicNanoseconds())
            }
            if let rulesFailure { throw rulesFailure }
            if isCheck { DnsmasqServer.trimLog(folder(of: network.id)) }
            let bridge = HostBridge(network: network, install: install)
            if isCheck, entry.isMade, !bridge.isThere() {
                Log.warning("the bridge of a network was changed; making it again", ["network": network.id])
                entry.isMade = false
                // Its sockets were bound to what is gone.
                stopServer(&entry)
            }
            if !entry.isMade { try bridge.make() }
            entry.isMade = true
            try serve(&entry, reservations)
            entry.set(ready: monotonicNanoseconds())
        } catch {
            fail(&entry, error.description)
        }
    }

    /// Sees to it that the network's dnsmasq runs and knows what it has to.
    private func serve(_ entry: inout Known, _ reservations: [NetworkReservation]) throws(NetworkFailure) {
        let configuration = DnsmasqConfiguration.text(entry.definition, reservations, user: user)
        if let server = entry.server {
            if server.configuration == configuration { return }
            stopServer(&entry)
        }
        let folder = folder(of: entry.definition.id)
        do throws(Errno) {
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw Errno.last }
        } catch {
            throw NetworkFailure("the network's directory \(folder) can't be made: \(error)")
        }
        if let found = DnsmasqServer.find(folder) {
            if found.configuration == configuration { return adopt(found, &entry) }
            found.stop()
        }
        adopt(try DnsmasqServer.start(configuration, directory: folder), &entry)
    }

    private func adopt(_ server: DnsmasqServer, _ entry: inout Known) {
        entry.server = server
        entry.token = nextToken
        nextToken += 1
        // Without it its end is seen at the next check.
        try? epoll.add(server.process.raw, token: entry.token)
    }

    private func stopServer(_ entry: inout Known) {
        guard let server = entry.server else { return }
        epoll.remove(server.process.raw)
        server.stop()
        entry.server = nil
    }

    /// Sees whether the network's dnsmasq has ended by itself.
    private func noteEnd(_ entry: inout Known) {
        guard let server = entry.server, server.process.waitForEnd(milliseconds: 0) else { return }
        epoll.remove(server.process.raw)
        let end = server.process.end().map { " (\($0))" } ?? ""
        if monotonicNanoseconds() - server.startedAt > Self.goodLife { entry.failures = 0 }
        entry.server = nil
        entry.status.restarts += 1
        fail(&entry, "dnsmasq ended\(end)")
    }

    private func fail(_ entry: inout Known, _ reason: String) {
        entry.failures += 1
        let pause = min(Self.shortestPause << UInt64(min(entry.failures - 1, 16)), Self.longestPause)
        entry.retryAt = monotonicNanoseconds() + pause
        if entry.status.state != .failed || entry.status.reason != reason {
            Log.warning("a network is not as it should be", ["network": entry.definition.id, "reason": reason])
        }
        entry.status.state = .failed
        entry.status.reason = reason
    }

    private func folder(of id: String) -> String { "\(directory)/\(id)" }

    // MARK: All of them

    private func applyRules(_ wish: NetworkEngine.Wish, isCheck: Bool) {
        let text = NetworkRules.text(wish.networks, wish.reservations, install: install)
        let isEmpty = !wish.networks.contains(where: \.isMade)
        // For bridges of the host's no nft is needed.
        if isEmpty, rules == nil, NetworkTool.nft.path == nil || access(directory, F_OK) != 0 { return }
        if text == rules, !isCheck { return }
        if text == rules, isEmpty || hasRules() { return }
        do throws(NetworkFailure) {
            try NetworkTool.nft.run(["-f", "-"], input: text)
            (rules, rulesFailure) = (text, nil)
        } catch {
            if rulesFailure != error { Log.error("the rules of the networks can't be set: \(error)") }
            (rules, rulesFailure) = (nil, error)
        }
    }

    /// Whether somebody has taken the tables away.
    private func hasRules() -> Bool {
        let table = NetworkRules.table(install: install)
        for family in ["inet", "bridge"] {
            guard (try? NetworkTool.nft.run(["--terse", "list", "table", family, table])) != nil else { return false }
        }
        return true
    }

    /// Takes away what is on the host of networks that are no more, also of those that an earlier server had.
    private func removeOthers(than ids: Set<String>) {
        for id in known.keys where !ids.contains(id) {
            guard var entry = known[id], entry.definition.isMade else {
                known[id] = nil
                continue
            }
            stopServer(&entry)
            if remove(id, bridge: entry.definition.bridge, isOurs: entry.isMade) { known[id] = nil }
        }
        guard !hasSwept else { return }
        hasSwept = true
        for id in (try? DirectoryNames.list(directory)) ?? [] where !ids.contains(id) {
            DnsmasqServer.find(folder(of: id))?.stop()
            _ = remove(id, bridge: nil, isOurs: false)
        }
        guard NetworkTool.ip.path != nil else { return }
        do throws(NetworkFailure) {
            for bridge in try HostBridge.marked(install: install) where !ids.contains(bridge.id) {
                Log.info("removing the bridge of a network that is no more", ["bridge": bridge.name])
                try HostBridge.remove(bridge.name)
            }
        } catch {
            hasSwept = false
            sweepFailures += 1
            if sweepFailures == 1 { Log.warning("what is left of old networks can't be removed: \(error)") }
        }
    }

    private func remove(_ id: String, bridge: String?, isOurs: Bool) -> Bool {
        do throws(NetworkFailure) {
            if let bridge, isOurs { try HostBridge.remove(bridge) }
        } catch {
            Log.warning("a bridge can't be removed; trying again", ["network": id, "error": error.description])
            return false
        }
        let folder = folder(of: id)
        for name in (try? DirectoryNames.list(folder)) ?? [] { unlink("\(folder)/\(name)") }
        rmdir(folder)
        return true
    }
}

extension NetworkReconciler.Known {
    fileprivate mutating func set(ready now: UInt64) {
        if status.state == .failed { Log.info("a network is well again", ["network": definition.id]) }
        status.state = .ready
        status.reason = nil
        // What serves it has to live for a while before it counts as well again.
        if let server, now - server.startedAt > 60_000_000_000 { failures = 0 }
    }
}
