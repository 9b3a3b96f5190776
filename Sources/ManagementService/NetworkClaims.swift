import NetworkBackends
import PartitionManager
import Synchronization

/// MAC addresses and taps that requests under way want: two that come at the same time never get the same one.
final class NetworkClaims: Sendable {
    struct Claim: Sendable {
        var vm: String
        var interfaces: [NetworkSource]
    }

    private let pending = Mutex<(next: UInt64, claims: [UInt64: Claim])>((0, [:]))

    /// Calls `body` with the claim standing, after `check` has seen all others that stand.
    func with<Result: Sendable>(
        _ claim: Claim, check: ([Claim]) throws(ServiceError) -> Void,
        _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        guard !claim.interfaces.isEmpty else { return try await body() }
        let token = try pending.withLock { state throws(ServiceError) in
            try check(state.claims.values.filter { $0.vm != claim.vm })
            state.next += 1
            state.claims[state.next] = claim
            return state.next
        }
        defer { pending.withLock { _ = $0.claims.removeValue(forKey: token) } }
        return try await body()
    }
}
