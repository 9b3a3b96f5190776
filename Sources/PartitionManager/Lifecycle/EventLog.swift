import Synchronization

/// The kept events, in memory, as they are in the store.
package final class EventLog: Sendable {
    private struct State {
        /// In the order of sequences; what is before `first` is forgotten.
        var records: [EventRecord]
        var first = 0
        var lastSequence: UInt64
    }

    private let state: Mutex<State>
    private let limit: Int
    private let observers = ObserverList()

    package init(_ records: [EventRecord], lastSequence: UInt64, limit: Int) {
        state = Mutex(State(records: records, lastSequence: max(lastSequence, records.last?.sequence ?? 0)))
        self.limit = limit
    }

    package var lastSequence: UInt64 { state.withLock { $0.lastSequence } }

    /// Up to `limit` kept events after `sequence`.
    package func events(after sequence: UInt64, limit: Int) -> [EventRecord] {
        state.withLock { state in
            // The first index whose sequence is greater, by halving.
            var low = state.first
            var high = state.records.count
            while low < high {
                let middle = low + (high - low) / 2
                if state.records[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
            }
            return Array(state.records[low..<min(state.records.count, low + max(0, min(limit, self.limit)))])
        }
    }

    /// Adds events that have been committed; `notify` tells the observers. Called in the order of their sequences.
    func append(_ records: [EventRecord]) {
        guard let last = records.last else { return }
        state.withLock { state in
            state.records += records
            state.lastSequence = last.sequence
            if state.records.count - state.first > limit { state.first = state.records.count - limit }
            // Moves the rest only when half is forgotten: a constant cost per event.
            if state.first > limit {
                state.records.removeFirst(state.first)
                state.first = 0
            }
        }
    }

    /// Tells the observers that there are events they have not seen.
    func notify() { observers.notify() }

    /// See `ObserverList.add`.
    package func observe(_ changed: @escaping @Sendable () -> Void) -> @Sendable () -> Void { observers.add(changed) }
}
