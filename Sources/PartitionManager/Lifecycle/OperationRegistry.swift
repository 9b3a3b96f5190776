import Synchronization

/// All operations that are kept, in memory, as they are in the store, and those who wait for one's end.
package final class OperationRegistry: Sendable {
    private struct State {
        var operations: [String: OperationResource] = [:]
        /// In the order of creation, which is the order of ids.
        var order: [String] = []
        var waiters: [String: [UInt64: CheckedContinuation<Void, Never>]] = [:]
        var nextWaiter: UInt64 = 0
        var ended: [OperationResource.Verb: (succeeded: UInt64, failed: UInt64)] = [:]
    }

    private let state: Mutex<State>
    private let limit: Int

    package init(_ operations: [OperationResource], limit: Int) {
        var state = State()
        for operation in operations {
            state.operations[operation.id] = operation
            state.order.append(operation.id)
        }
        self.state = Mutex(state)
        self.limit = limit
    }

    package subscript(id: String) -> OperationResource? { state.withLock { $0.operations[id] } }

    /// In the order of ids, after the id `after`, those of `vm` only where it is given.
    package func list(vm: String?, after: String?, limit: Int) -> (operations: [OperationResource], more: Bool) {
        guard limit > 0 else { return ([], false) }
        return state.withLock { state in
            var index = after.map { OperationRegistry.firstIndex(after: $0, in: state.order) } ?? 0
            var found: [OperationResource] = []
            while index < state.order.count {
                if let operation = state.operations[state.order[index]], vm == nil || operation.vmID == vm {
                    if found.count == limit { return (found, true) }
                    found.append(operation)
                }
                index += 1
            }
            return (found, false)
        }
    }

    /// How many ended since the server started, of each verb.
    package var counts: [(verb: String, status: String, count: UInt64)] {
        let ended = state.withLock { $0.ended }
        return OperationResource.Verb.allCases.flatMap { verb in
            let count = ended[verb] ?? (0, 0)
            return [
                (verb.rawValue, OperationResource.Status.succeeded.rawValue, count.succeeded),
                (verb.rawValue, OperationResource.Status.failed.rawValue, count.failed),
            ]
        }
    }

    /// Puts operations in as they were committed.
    func put(_ operations: [OperationResource]) {
        let waiting = state.withLock { state in
            var waiting: [CheckedContinuation<Void, Never>] = []
            for operation in operations {
                if state.operations.updateValue(operation, forKey: operation.id) == nil {
                    // Ids of transactions that were made at once may come in an other order than their commits.
                    let index = OperationRegistry.firstIndex(after: operation.id, in: state.order)
                    state.order.insert(operation.id, at: index)
                }
                guard operation.status != .running else { continue }
                var count = state.ended[operation.verb] ?? (0, 0)
                if operation.status == .succeeded { count.succeeded += 1 } else { count.failed += 1 }
                state.ended[operation.verb] = count
                waiting += (state.waiters.removeValue(forKey: operation.id) ?? [:]).values
            }
            forgetOldest(&state)
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Forgets ended operations above the limit, some at a time so that the cost of moving the rest stays small.
    private func forgetOldest(_ state: inout State) {
        guard state.order.count > limit + max(limit / 8, 1) else { return }
        var excess = state.order.count - limit
        state.order.removeAll { id in
            guard excess > 0, state.operations[id]?.status != .running else { return false }
            excess -= 1
            state.operations[id] = nil
            return true
        }
    }

    /// Waits until operation `id` has ended, `nanoseconds` have passed or the task is cancelled.
    package func waitForEnd(of id: String, nanoseconds: UInt64) async {
        let key = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            var timer: Task<Void, Never>?
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    guard state.operations[id]?.status == .running, !Task.isCancelled, nanoseconds > 0 else {
                        return false
                    }
                    state.waiters[id, default: [:]][key] = continuation
                    return true
                }
                // Only now: a timer that ends before its waiter is known would wake nobody.
                if waits { timer = wakeLater(id, key, nanoseconds) } else { continuation.resume() }
            }
            timer?.cancel()
        } onCancel: {
            wake(id, key)
        }
    }

    private func wakeLater(_ id: String, _ key: UInt64, _ nanoseconds: UInt64) -> Task<Void, Never> {
        Task {
            try? await Task.sleep(nanoseconds: nanoseconds)
            self.wake(id, key)
        }
    }

    private func wake(_ id: String, _ key: UInt64) {
        let continuation = state.withLock { state in
            let continuation = state.waiters[id]?.removeValue(forKey: key)
            if state.waiters[id]?.isEmpty == true { state.waiters[id] = nil }
            return continuation
        }
        continuation?.resume()
    }

    private static func firstIndex(after id: String, in order: [String]) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = low + (high - low) / 2
            if order[middle] <= id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
