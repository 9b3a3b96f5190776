import PartitionManager
import Synchronization

/// What a request under way wants for a VM.
protocol VMClaim: Sendable {
    var vm: String { get }
}

/// What requests under way want: two that come at the same time never get the same.
final class PendingClaims<Claim: VMClaim>: Sendable {
    private let pending = Mutex<(next: UInt64, claims: [UInt64: Claim])>((0, [:]))

    /// Calls `body` with the claim standing, after `check` has seen those of other VMs that stand.
    func with<Result: Sendable>(
        _ claim: Claim, check: ([Claim]) throws(ServiceError) -> Void,
        _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
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
