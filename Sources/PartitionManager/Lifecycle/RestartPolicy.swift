import JSON

/// Whether a VM whose guest ended by itself is started again, and how soon.
package struct RestartPolicy: Sendable, Equatable {
    package enum Mode: String, Sendable, CaseIterable {
        case never
        /// After a crash, a failure of the worker or of the hypervisor; not after a guest powered itself off.
        case onFailure = "on-failure"
        /// After every end that nobody asked for.
        case always
    }

    package var mode = Mode.never
    /// Seconds before the first restart; each further one waits twice as long as the one before it.
    package var initialDelay = 1.0
    /// Seconds that no restart waits longer than. A guest that runs so long begins with the initial delay again.
    package var maximumDelay = 300.0

    package init() {}

    var json: JSONValue {
        [
            "mode": .string(mode.rawValue), "initialDelay": .number(initialDelay),
            "maximumDelay": .number(maximumDelay),
        ]
    }

    init?(_ json: JSONValue) {
        guard let mode = json["mode"]?.string.flatMap(Mode.init(rawValue:)),
            let initialDelay = json["initialDelay"]?.double, let maximumDelay = json["maximumDelay"]?.double
        else { return nil }
        self.mode = mode
        self.initialDelay = initialDelay
        self.maximumDelay = maximumDelay
    }
}

/// A change of a restart policy; nil leaves as it is.
package struct RestartPatch: Sendable, Equatable {
    package var mode: RestartPolicy.Mode?
    package var initialDelay: Double?
    package var maximumDelay: Double?

    package init() {}

    /// One that makes any policy `policy`.
    package init(_ policy: RestartPolicy) {
        mode = policy.mode
        initialDelay = policy.initialDelay
        maximumDelay = policy.maximumDelay
    }
}

extension RestartPolicy {
    package mutating func apply(_ patch: RestartPatch) {
        mode = patch.mode ?? mode
        initialDelay = patch.initialDelay ?? initialDelay
        maximumDelay = patch.maximumDelay ?? maximumDelay
    }
}

/// Where a VM is with its restarts.
package struct RestartState: Sendable, Equatable {
    /// Restarts in a row: a client's start and a guest that ran for long begin anew.
    package var count: UInt64 = 0
    /// When the next one is due, nanoseconds since 1970; nil when none is.
    package var next: UInt64?

    package init(count: UInt64 = 0, next: UInt64? = nil) {
        self.count = count
        self.next = next
    }
}

extension RestartPolicy {
    /// What follows the end of a run that nobody asked for.
    ///
    /// - Parameters:
    ///   - hasFailed: whether it ended by a failure.
    ///   - ran: nanoseconds that it ran; nil where it never did.
    ///   - before: the restarts up to it.
    package func state(
        after hasFailed: Bool, ran: UInt64?, before: RestartState, now: UInt64
    ) -> RestartState {
        switch mode {
        case .never: return RestartState()
        case .onFailure: if !hasFailed { return RestartState() }
        // A start that a client asked for and that failed is the client's to see: what is wrong stays wrong.
        case .always: break
        }
        if ran == nil && before.count == 0 { return RestartState() }
        let isLong = Double(ran ?? 0) / 1e9 >= maximumDelay
        let count = isLong ? 0 : before.count
        var delay = initialDelay
        for _ in 0..<min(count, 64) where delay < maximumDelay { delay *= 2 }
        return RestartState(count: count + 1, next: now + UInt64(min(delay, maximumDelay) * 1e9))
    }
}
