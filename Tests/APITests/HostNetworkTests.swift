import CLinux
import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// What a network is on the host: made, found again, mended and removed. The server has a network of its own for it,
    /// which nobody else sees and which goes away with it. Guests are Tests/Host's.
    @Suite(.enabled(if: HostNetwork.isPossible, "needs CAP_SYS_ADMIN, iproute2, nftables and dnsmasq-base"))
    struct HostNetworkTests {
        @Test(.timeLimit(.minutes(2))) func aNetworkOutlivesWhatServesIt() async throws {
            let host = try HostNetwork()
            let fixture = try ServerFixture(hypervisor: "kvm")
            var api = try await host.start(fixture)
            let body = #"{"id": "lab", "mode": "nat", "subnet": "10.9.0.0/24", "metadata": true, "mtu": 1400}"#
            let made = try await api.request("POST", "/v1/networks", body, expecting: 201).json()
            #expect(made["status"]?["state"]?.string == "ready", "\(made)")
            let link = host.run("/usr/sbin/ip", ["address", "show", "dev", "hv-lab"])
            #expect(link.contains("10.9.0.1/24") && link.contains("169.254.169.254/32"), "\(link)")
            #expect(link.contains("mtu 1400"), "\(link)")
            let mark = host.run("/usr/sbin/ip", ["-details", "link", "show", "dev", "hv-lab"])
            #expect(mark.contains("alias hvroot:") && mark.contains(":lab"), "\(mark)")
            #expect(host.run("/usr/sbin/nft", ["list", "ruleset"]).contains("masquerade"))
            #expect(host.run("/usr/bin/cat", ["/proc/sys/net/ipv4/ip_forward"]) == "1\n")
            // Its address is known to dnsmasq when the VM is there.
            let vm = try await api.request("POST", "/v1/vms", NetworkResourceTests.vm("a", "lab"), expecting: 201)
                .json()
            let interface = try #require(vm["networkInterfaces"]?.array?.first)
            let (mac, address) = (interface["mac"]?.string ?? "", interface["addresses"]?.array?.first?.string ?? "")
            let folder = fixture.runDirectory + "/networks/lab"
            try await eventually("dnsmasq to know the VM") {
                Programs.text(of: folder + "/dnsmasq.conf").contains("dhcp-host=\(mac),\(address),a\n")
            }
            #expect(host.run("/usr/sbin/nft", ["list", "ruleset"]).contains("\(mac) . \(address)"))
            for name in ["dnsmasq.conf", "dnsmasq.log"] {
                var status = stat()
                #expect(stat("\(folder)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
            }

            func dnsmasq() -> Int32 { Int32(Programs.text(of: folder + "/dnsmasq.pid").dropLast()) ?? 0 }
            func isReady(_ api: API) async throws -> Bool {
                try await api.json("/v1/networks/lab")["status"]?["state"]?.string == "ready"
            }
            try await eventually("the network to be ready") { try await isReady(api) && dnsmasq() > 0 }
            // It is killed: another comes.
            let first = dnsmasq()
            #expect(first > 0 && kill(first, SIGKILL) == 0)
            try await eventually("another dnsmasq") {
                let now = dnsmasq()
                return try await isReady(api) && now > 0 && now != first
            }
            // The server is killed: the next finds it.
            let second = dnsmasq()
            try await fixture.end(SIGKILL)
            #expect(kill(second, 0) == 0)
            api = try await host.start(fixture)
            #expect(try await isReady(api) && dnsmasq() == second)
            // While no server runs everything is taken away, as when the host starts again: it is made again.
            try await fixture.end(SIGTERM)
            #expect(kill(second, SIGKILL) == 0)
            _ = host.run("/usr/sbin/ip", ["link", "delete", "dev", "hv-lab"])
            _ = host.run("/usr/sbin/nft", ["flush", "ruleset"])
            try DirectoryRemoval.remove(fixture.runDirectory + "/networks")
            api = try await host.start(fixture)
            #expect(try await isReady(api) && dnsmasq() != second)
            #expect(host.run("/usr/sbin/ip", ["address", "show", "dev", "hv-lab"]).contains("10.9.0.1/24"))
            #expect(host.run("/usr/sbin/nft", ["list", "ruleset"]).contains("\(mac) . \(address)"))

            let used = try await api.request("DELETE", "/v1/networks/lab", expecting: 409)
            #expect(used.text.contains("VM 'a'"), "\(used.text)")
            try await api.request("DELETE", "/v1/vms/a", expecting: 204)
            let last = dnsmasq()
            try await api.request("DELETE", "/v1/networks/lab", expecting: 204)
            #expect(!host.run("/usr/sbin/ip", ["link"]).contains("hv-lab"))
            #expect(!host.run("/usr/sbin/nft", ["list", "ruleset"]).contains("hvroot"))
            #expect(access(folder, F_OK) != 0 && (last == 0 || kill(last, 0) != 0))
        }

        @Test(.timeLimit(.minutes(2))) func whatIsNotOursStays() async throws {
            let host = try HostNetwork()
            _ = host.run("/usr/sbin/ip", ["link", "add", "name", "hv-x", "type", "bridge"])
            _ = host.run("/usr/sbin/ip", ["address", "add", "10.20.0.1/16", "dev", "hv-x"])
            _ = host.run("/usr/sbin/ip", ["link", "set", "dev", "hv-x", "up"])
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await host.start(fixture)
            let foreign = try await api.request("POST", "/v1/networks", #"{"id": "x", "mode": "nat"}"#, expecting: 201)
            let status = try foreign.json()["status"]
            #expect(status?["state"]?.string == "failed", "\(foreign.text)")
            #expect(status?["reason"]?.string?.contains("not of this server's making") == true, "\(foreign.text)")
            // A VM in it is told before it is started.
            try await api.request("POST", "/v1/vms", NetworkResourceTests.vm("a", "x"), expecting: 201)
            let start = try await api.request("POST", "/v1/vms/a:start", expecting: 409)
            #expect(start.text.contains("The network 'x'"), "\(start.text)")
            try await api.request("DELETE", "/v1/vms/a", expecting: 204)
            try await api.request("DELETE", "/v1/networks/x", expecting: 204)
            #expect(host.run("/usr/sbin/ip", ["address", "show", "dev", "hv-x"]).contains("10.20.0.1/16"))
            // What the host reaches already is no network of ours.
            let taken = #"{"id": "y", "mode": "nat", "subnet": "10.20.5.0/24"}"#
            let refused = try await api.request("POST", "/v1/networks", taken, expecting: 409)
            #expect(refused.text.contains("by hv-x"), "\(refused.text)")
            // The host's own bridge is used and nothing is made on it.
            let bridge = #"{"id": "office", "mode": "bridge", "bridge": "hv-x"}"#
            let office = try await api.request("POST", "/v1/networks", bridge, expecting: 201)
            #expect(try office.json()["status"]?["state"]?.string == "ready", "\(office.text)")
            let none = #"{"id": "none", "mode": "bridge", "bridge": "br9"}"#
            let missing = try await api.request("POST", "/v1/networks", none, expecting: 201)
            #expect(missing.text.contains("there is no bridge br9"), "\(missing.text)")
            for id in ["office", "none"] { try await api.request("DELETE", "/v1/networks/\(id)", expecting: 204) }
            #expect(host.run("/usr/sbin/ip", ["link"]).contains("hv-x"))
        }
    }
}

/// A network that nobody else sees, held by a process that only waits.
final class HostNetwork: Sendable {
    static let isPossible: Bool = {
        let tools = ["/usr/sbin/ip", "/usr/sbin/nft", "/usr/sbin/dnsmasq", "/usr/bin/unshare", "/usr/bin/nsenter"]
        guard Programs.hasKvm, tools.allSatisfy({ access($0, X_OK) == 0 }), let host = try? HostNetwork() else {
            return false
        }
        let rules = "add table bridge probe; add table inet probe"
        return host.run("/usr/sbin/nft", [rules]).isEmpty
            && host.run("/usr/sbin/ip", ["link", "add", "name", "probe", "type", "bridge"]).isEmpty
    }()

    private let holder: PidFD
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        holder = try Programs.start("/usr/bin/unshare", ["-n", "sleep", "1000"], log: directory.path + "/holder.log")
        // It has its own network before it waits.
        let deadline = monotonicNanoseconds() + 10_000_000_000
        while Self.network(of: holder.processID) == Self.network(of: getpid()), monotonicNanoseconds() < deadline {
            usleep(10_000)
        }
        guard Self.network(of: holder.processID) != Self.network(of: getpid()) else {
            throw TestHTTPError("no network of its own")
        }
    }

    deinit {
        try? holder.send(signal: SIGKILL)
        _ = holder.waitForEnd(milliseconds: 10_000)
        _ = holder.end()
    }

    private static func network(of process: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        let count = readlink("/proc/\(process)/ns/net", &buffer, buffer.count - 1)
        return String(decoding: buffer[..<max(count, 0)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Runs a program in it to its end: what it said.
    func run(_ path: String, _ arguments: [String]) -> String {
        let log = "\(directory.path)/\(UInt64.random(in: 0...UInt64.max)).log"
        defer { unlink(log) }
        guard
            let process = try? Programs.start(
                "/usr/bin/nsenter", ["-t", String(holder.processID), "-n", path] + arguments, log: log)
        else { return "nsenter can't be started" }
        _ = process.waitForEnd(milliseconds: 30_000)
        _ = process.end()
        return Programs.text(of: log)
    }

    /// Starts the fixture's server in it; its API is on a Unix socket.
    func start(_ fixture: ServerFixture) async throws -> API {
        unlink(fixture.logPath)
        let arguments = fixture.options + ["--listen", "unix:\(fixture.runDirectory)/api.sock"]
        return try await fixture.adopt(
            Programs.start(
                "/usr/bin/nsenter", ["-t", String(holder.processID), "-n", Programs.path("hvrootd")] + arguments,
                log: fixture.logPath))
    }
}

enum DirectoryRemoval {
    /// Removes a directory of directories of files.
    static func remove(_ path: String) throws {
        for name in TemporaryDirectory.names(in: path) where name != "." && name != ".." {
            for file in TemporaryDirectory.names(in: "\(path)/\(name)") { unlink("\(path)/\(name)/\(file)") }
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
        guard access(path, F_OK) != 0 else { throw TestHTTPError("\(path) is still there") }
    }
}
