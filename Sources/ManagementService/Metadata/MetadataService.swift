import JSON
import LinuxSystem
import NetworkBackends
import PartitionManager
import Synchronization
import VirtualNetworks

/// What a guest asks, and what it is answered. Whoever serves it says by which network and address the question came:
/// the guest says nothing of who it is.
package struct MetadataRequest: Sendable {
    package var network: String
    package var address: IPv4Address
    package var method: String
    /// As it came.
    package var path: String
    /// With names in lower-case letters.
    package var headers: [(name: String, value: String)]

    package init(
        network: String, address: IPv4Address, method: String, path: String, headers: [(name: String, value: String)]
    ) {
        self.network = network
        self.address = address
        self.method = method
        self.path = path
        self.headers = headers
    }

    fileprivate func header(_ names: [String]) -> String? { headers.first { names.contains($0.name) }?.value }
}

package struct MetadataAnswer: Sendable, Equatable {
    package var status: Int
    package var body: [UInt8]
    package var headers: [String: String] = ["Content-Type": "text/plain"]

    package init(_ status: Int, _ text: String) {
        self.status = status
        body = Array(text.utf8)
    }
}

/// The metadata service of guests, with session tokens: a program in the guest that can be made to fetch an address of
/// somebody else's choice can't be made to fetch a token first, which takes a PUT with a header.
package final class MetadataService: Sendable {
    private static let tokenHeaders = ["x-metadata-token", "x-aws-ec2-metadata-token"]
    private static let lifetimeHeaders = ["x-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token-ttl-seconds"]

    private let vms: VMRegistry
    private let networks: NetworkRegistry
    private let isSimulated: Bool
    let tokens: MetadataTokens
    private let counts = Mutex<[Int: UInt64]>([:])

    /// - Parameter isSimulated: whether there are no guests that could ask.
    package init(vms: VMRegistry, networks: NetworkRegistry, isSimulated: Bool) {
        self.vms = vms
        self.isSimulated = isSimulated
        self.networks = networks
        tokens = MetadataTokens()
    }

    /// Answers by status, for metrics.
    package var answers: [Int: UInt64] { counts.withLock { $0 } }

    /// The networks that have the service, with their bridges, where they are ready.
    package var served: [String: String] {
        var served: [String: String] = [:]
        guard !isSimulated else { return served }
        for view in networks.views where view.network.definition.metadata && view.status.state == .ready {
            served[view.network.id] = view.network.definition.bridge
        }
        return served
    }

    package func answer(_ request: MetadataRequest) -> MetadataAnswer {
        let answer = decide(request)
        counts.withLock { $0[answer.status, default: 0] += 1 }
        return answer
    }

    private func decide(_ request: MetadataRequest) -> MetadataAnswer {
        // Behind a proxy somebody else may be asking.
        if request.header(["x-forwarded-for", "forwarded"]) != nil {
            return MetadataAnswer(403, "requests that were forwarded are refused\n")
        }
        guard let member = networks.member(of: request.network, at: request.address),
            let vm = vms[member.vm]?.entry.resource,
            vm.specification.networkInterfaces.contains(where: { $0.mac == member.mac })
        else { return MetadataAnswer(403, "no VM is known at this address\n") }
        let owner = MetadataTokens.Owner(
            network: request.network, address: request.address.description, instance: vm.instance)
        var path = request.path.split(separator: "/")[...]
        guard let version = path.popFirst() else {
            guard request.method == "GET" else { return Self.wrongMethod("GET") }
            return checked(request, owner) ?? MetadataAnswer(200, "latest\n")
        }
        guard version == "latest" || Self.isDate(version) else { return MetadataAnswer(404, "there is no such path\n") }
        if path.elementsEqual(["api", "token"]) { return token(request, owner) }
        guard request.method == "GET" else { return Self.wrongMethod("GET") }
        if let refusal = checked(request, owner) { return refusal }
        let subnet = networks.network(request.network)?.definition.addressing?.subnet
        let tree = MetadataTree(vm, member, instance: vm.instance, subnet: subnet)
        return Self.show(tree, Array(path), wantsJSON: request.header(["accept"])?.contains("application/json") == true)
    }

    private func token(_ request: MetadataRequest, _ owner: MetadataTokens.Owner) -> MetadataAnswer {
        guard request.method == "PUT" else { return Self.wrongMethod("PUT") }
        let text = request.header(Self.lifetimeHeaders) ?? ""
        let bytes = Array(text.utf8)
        guard (1...5).contains(bytes.count), bytes.allSatisfy({ (0x30...0x39).contains($0) }),
            let seconds = UInt64(text), MetadataTokens.lifetimes.contains(seconds)
        else {
            return MetadataAnswer(
                400,
                "X-metadata-token-ttl-seconds has to be \(MetadataTokens.lifetimes.lowerBound) to "
                    + "\(MetadataTokens.lifetimes.upperBound)\n")
        }
        var answer = MetadataAnswer(200, tokens.make(for: owner, seconds: seconds))
        // The one that the client knows.
        let isOther = request.headers.contains { $0.name == Self.lifetimeHeaders[1] }
        answer.headers[isOther ? "X-aws-ec2-metadata-token-ttl-seconds" : "X-metadata-token-ttl-seconds"] = text
        return answer
    }

    /// The refusal of a request without a token of its own; nil where it has one.
    private func checked(_ request: MetadataRequest, _ owner: MetadataTokens.Owner) -> MetadataAnswer? {
        guard let token = request.header(Self.tokenHeaders) else {
            return MetadataAnswer(401, "a token is needed: PUT /latest/api/token\n")
        }
        return tokens.isValid(token, for: owner) ? nil : MetadataAnswer(401, "the token is not valid\n")
    }

    private static func show(_ tree: MetadataTree, _ path: [Substring], wantsJSON: Bool) -> MetadataAnswer {
        guard let value = tree.value(at: path) else { return MetadataAnswer(404, "there is no such path\n") }
        if wantsJSON {
            var answer = MetadataAnswer(200, String(decoding: value.serialized(), as: UTF8.self))
            answer.headers["Content-Type"] = "application/json"
            return answer
        }
        if let directory = value.object { return MetadataAnswer(200, MetadataTree.listing(directory, at: path)) }
        return MetadataAnswer(200, value.string ?? "")
    }

    private static func wrongMethod(_ allowed: String) -> MetadataAnswer {
        var answer = MetadataAnswer(405, "this path takes \(allowed)\n")
        answer.headers["Allow"] = allowed
        return answer
    }

    /// A version as clouds name theirs: all are the same here.
    private static func isDate(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.count == 10
            && bytes.enumerated().allSatisfy { index, byte in
                index == 4 || index == 7 ? byte == UInt8(ascii: "-") : (0x30...0x39).contains(byte)
            }
    }
}
