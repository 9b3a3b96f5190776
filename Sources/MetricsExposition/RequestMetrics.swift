import Synchronization

/// Counts and latencies of API requests by method, route and status. From any thread.
package final class RequestMetrics: Sendable {
    /// Upper bounds of the latency buckets, in seconds; one more bucket takes what is over the last.
    package static let bounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    struct Key: Hashable {
        var method: String
        var route: String
        var status: Int
    }

    struct LatencyKey: Hashable {
        var method: String
        var route: String
    }

    struct Latency {
        /// Not cumulative; the last one is over all bounds.
        var buckets = [UInt64](repeating: 0, count: RequestMetrics.bounds.count + 1)
        var sum = 0.0
    }

    struct State {
        var requests: [Key: UInt64] = [:]
        var latencies: [LatencyKey: Latency] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Counts one answered request.
    ///
    /// - Parameters:
    ///   - method: one of a closed set; the caller maps what clients invent to one word, so that they can't fill memory.
    ///   - route: the path's template, never the path.
    ///   - seconds: from the request line to the answer's being ready. A stream's length is not in it.
    package func record(method: String, route: String, status: Int, seconds: Double) {
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        state.withLock { state in
            state.requests[Key(method: method, route: route, status: status), default: 0] &+= 1
            let key = LatencyKey(method: method, route: route)
            state.latencies[key, default: Latency()].buckets[bucket] &+= 1
            state.latencies[key, default: Latency()].sum += seconds
        }
    }

    /// How many requests were answered in all.
    package var total: UInt64 { state.withLock { $0.requests.values.reduce(0, &+) } }

    func snapshot() -> State { state.withLock { $0 } }
}
