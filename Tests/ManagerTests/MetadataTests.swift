import JSON
import LinuxSystem
import NetworkBackends
import PartitionManager
import Synchronization
import Testing
import VirtualNetworks

@testable import ManagementService

/// What guests are told of themselves, and who is told nothing.
@Suite struct MetadataTests {
    private static let owner = MetadataTokens.Owner(network: "n", address: "10.9.0.2", instance: "a-1")

    @Test("a token is its owner's, for its time")
    func tokens() {
        let clock = Clock()
        let tokens = MetadataTokens { clock.now.withLock { $0 } }
        let token = tokens.make(for: Self.owner, seconds: 10)
        #expect(token.utf8.count == 64)
        #expect(tokens.isValid(token, for: Self.owner))
        var other = Self.owner
        other.address = "10.9.0.3"
        #expect(!tokens.isValid(token, for: other))
        // A VM that was made anew with the same id.
        other = Self.owner
        other.instance = "a-2"
        #expect(!tokens.isValid(token, for: other) && !tokens.isValid("", for: Self.owner))
        clock.now.withLock { $0 += 10_000_000_000 }
        #expect(!tokens.isValid(token, for: Self.owner))
    }

    private final class Clock: Sendable { let now = Mutex<UInt64>(0) }

    @Test("a guest that asks for many tokens has no more than its share")
    func many() {
        let tokens = MetadataTokens()
        let kept = tokens.make(for: Self.owner, seconds: 21600)
        for _ in 0..<1000 { _ = tokens.make(for: Self.owner, seconds: 60) }
        #expect(tokens.count(of: Self.owner) == MetadataTokens.maximumCount)
        #expect(tokens.isValid(kept, for: Self.owner))
    }

    /// A server of simulated guests with the VMs `a` and `b` in the network `n`.
    private func service() async throws -> (ManagementService, [String: IPv4Address], Bench) {
        let bench = Bench()
        let service = try await bench.serve()
        _ = try await service.createNetwork(
            NetworkRequest(id: "n", mode: .nat, subnet: IPv4Subnet("10.9.0.0/24"), metadata: true))
        for id in ["a", "b"] {
            var specification = VMSpecification()
            specification.id = id
            specification.kernel = "builtin:demo"
            var interface = NetworkSource(id: "net0")
            interface.network = "n"
            specification.networkInterfaces = [interface]
            let keys =
                #"{"public-keys": {"k": "ssh-ed25519 AAA \#(id)"}, "role": "web", "list": ["x", 2], "o": {"d": true}}"#
            if id == "a" { specification.cloudInit = CloudInit(userData: "secret of a", metaData: keys) }
            _ = try await service.createVM(specification, validateOnly: false)
        }
        var addresses: [String: IPv4Address] = [:]
        for member in try service.network("n").members { addresses[member.vm] = member.address }
        return (service, addresses, bench)
    }

    private func ask(
        _ service: ManagementService, _ address: IPv4Address, _ method: String, _ path: String,
        _ headers: [(name: String, value: String)] = [], network: String = "n"
    ) -> (status: Int, text: String) {
        let answer = service.answerMetadata(
            MetadataRequest(network: network, address: address, method: method, path: path, headers: headers))
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    private func token(_ service: ManagementService, _ address: IPv4Address) -> String {
        let answer = ask(service, address, "PUT", "/latest/api/token", [("x-metadata-token-ttl-seconds", "60")])
        #expect(answer.status == 200)
        return answer.text
    }

    @Test("a guest reads what is its own, by its address")
    func ownData() async throws {
        let (service, addresses, bench) = try await service()
        let (a, b) = (try #require(addresses["a"]), try #require(addresses["b"]))
        let headers = [(name: "x-aws-ec2-metadata-token", value: token(service, a))]
        func read(_ path: String) -> String {
            let answer = ask(service, a, "GET", path, headers)
            #expect(answer.status == 200, "\(path)")
            return answer.text
        }
        #expect(read("/latest/user-data") == "secret of a")
        #expect(read("/2021-03-23/meta-data/local-hostname") == "a")
        #expect(read("/latest/meta-data/instance-id").hasPrefix("a-"))
        #expect(read("/latest/meta-data/local-ipv4") == a.description)
        #expect(read("/latest/meta-data/role") == "web" && read("/latest/meta-data/list") == "x\n2")
        #expect(read("/latest/meta-data/o/") == "d" && read("/latest/meta-data/o/d") == "true")
        #expect(read("/latest/meta-data/public-keys/") == "0=key-0")
        #expect(read("/latest/meta-data/public-keys/0/openssh-key") == "ssh-ed25519 AAA a")
        let mac = try #require(try service.vm("a").specification.networkInterfaces[0].mac)
        #expect(read("/latest/meta-data/mac") == mac.description)
        #expect(
            read("/latest/meta-data/network/interfaces/macs/\(mac)/subnet-ipv4-cidr-block") == "10.9.0.0/24")
        #expect(ask(service, a, "GET", "/latest/meta-data/none", headers).status == 404)
        let whole = ask(service, a, "GET", "/latest", headers + [("accept", "application/json")])
        let json = try JSONValue.parse(Array(whole.text.utf8))
        #expect(json["meta-data"]?["role"]?.string == "web" && json["user-data"]?.string == "secret of a")
        // Its neighbour has another, without user-data; and nothing of this one's by this one's token.
        let others = [(name: "x-metadata-token", value: token(service, b))]
        #expect(ask(service, b, "GET", "/latest/user-data", others).status == 404)
        #expect(ask(service, b, "GET", "/latest/meta-data/local-hostname", others).text == "b")
        #expect(ask(service, b, "GET", "/latest/user-data", headers).status == 401)
        withExtendedLifetime(bench) {}
        await service.shutdown()
    }

    @Test("nobody reads without a token, and nobody who is not known gets one")
    func refusals() async throws {
        let (service, addresses, bench) = try await service()
        let a = try #require(addresses["a"])
        func status(_ method: String, _ path: String, _ headers: [(name: String, value: String)] = []) -> Int {
            ask(service, a, method, path, headers).status
        }
        for path in ["/", "/latest", "/latest/meta-data/", "/latest/user-data", "//latest//user-data"] {
            #expect(status("GET", path) == 401, "\(path)")
            #expect(status("GET", path, [("x-metadata-token", "0")]) == 401, "\(path)")
        }
        let lifetime = "x-metadata-token-ttl-seconds"
        for wrong in ["", "0", "21601", "-1", "+5", "6e1", " 60", "99999999999999999999", "060606"] {
            #expect(status("PUT", "/latest/api/token", [(lifetime, wrong)]) == 400, "\(wrong)")
        }
        #expect(status("PUT", "/latest/api/token") == 400)
        for right in ["1", "21600"] { #expect(status("PUT", "/latest/api/token", [(lifetime, right)]) == 200) }
        // A proxy says for whom it asks: it may not.
        #expect(status("PUT", "/latest/api/token", [(lifetime, "60"), ("x-forwarded-for", "10.9.0.2")]) == 403)
        #expect(status("GET", "/latest/api/token") == 405 && status("POST", "/latest/user-data") == 405)
        let token = token(service, a)
        #expect(status("GET", "/v1/vms", [("x-metadata-token", token)]) == 404)
        #expect(status("GET", "/latest/../v1/vms", [("x-metadata-token", token)]) == 404)
        let stranger = ask(
            service, IPv4Address(0x0A09_00FE), "PUT", "/latest/api/token", [(lifetime, "60")])
        let elsewhere = ask(service, a, "PUT", "/latest/api/token", [(lifetime, "60")], network: "m")
        #expect(stranger.status == 403 && elsewhere.status == 403)
        #expect(service.metrics().metadataAnswers[403] == 3)
        // A guest that is no more.
        _ = try await service.deleteVM("a", force: false, ifRevision: nil)
        #expect(status("GET", "/latest/user-data", [("x-metadata-token", token)]) == 403)
        withExtendedLifetime(bench) {}
        await service.shutdown()
    }
}
