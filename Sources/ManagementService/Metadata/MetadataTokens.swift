import LinuxSystem
import Synchronization

/// The session tokens of metadata services: each is one interface's, for a time. They are kept nowhere: guests ask for new
/// ones after a start of the server.
final class MetadataTokens: Sendable {
    /// Seconds, as cloud images know them.
    static let lifetimes: ClosedRange<UInt64> = 1...21600
    /// For one interface; the one that would end first makes way.
    static let maximumCount = 32

    /// Whose a token is. An interface that got another address, or a VM made anew with the same id, is another one.
    struct Owner: Hashable, Sendable {
        var network: String
        var address: String
        var instance: String
    }

    /// A token and the end of its life (monotonic nanoseconds).
    private typealias Tokens = [String: UInt64]

    private struct State {
        var tokens: [Owner: Tokens] = [:]
        /// When (monotonic nanoseconds) those of owners that are no more are dropped.
        var sweepAt: UInt64 = 0
    }

    private static let sweepInterval: UInt64 = 60_000_000_000
    private let state = Mutex(State())
    private let now: @Sendable () -> UInt64

    init(now: @escaping @Sendable () -> UInt64 = { monotonicNanoseconds() }) { self.now = now }

    /// - Parameter seconds: one of `lifetimes`.
    func make(for owner: Owner, seconds: UInt64) -> String {
        // From the kernel.
        var generator = SystemRandomNumberGenerator()
        let words = (0..<4).map { _ in UInt64.random(in: .min ... .max, using: &generator) }
        let token = words.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        let now = now()
        state.withLock { state in
            // Not each time: a guest that asks without end shall not make all tokens be looked at without end.
            if now >= state.sweepAt {
                state.sweepAt = now + Self.sweepInterval
                state.tokens = state.tokens.filter { $0.value.contains { $0.value > now } }
            }
            var list = (state.tokens[owner] ?? [:]).filter { $0.value > now }
            while list.count >= Self.maximumCount, let oldest = list.min(by: { $0.value < $1.value }) {
                list[oldest.key] = nil
            }
            list[token] = now + seconds * 1_000_000_000
            state.tokens[owner] = list
        }
        return token
    }

    func isValid(_ token: String, for owner: Owner) -> Bool {
        let now = now()
        return state.withLock { state in state.tokens[owner]?[token].map { $0 > now } ?? false }
    }

    /// How many there are, for tests.
    func count(of owner: Owner) -> Int { state.withLock { $0.tokens[owner]?.count ?? 0 } }
}
