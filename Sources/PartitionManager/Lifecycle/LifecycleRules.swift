/// What is legal when. Pure: the controllers ask here and nowhere else.
package enum LifecycleRules {
    package enum Decision: Equatable, Sendable {
        case proceed
        /// What the verb wants is so already.
        case holds
        /// Why not, and which states allow it.
        case refused(String)
    }

    private struct Rule {
        let verb: OperationResource.Verb
        /// The states in which it begins.
        let from: [VMState]
        /// The states in which its result holds already.
        let holds: [VMState]
        /// What to do instead, by state.
        let advice: [VMState: String]
    }

    /// The one table of the lifecycle.
    private static let rules: [Rule] = [
        Rule(
            verb: .start, from: [.defined, .stopped, .failed], holds: [.running],
            advice: [.paused: "Resume it instead.", .stopping: "Wait until it has stopped."]),
        Rule(
            verb: .stop, from: [.starting, .running, .paused, .stopping], holds: [.defined, .stopped, .failed],
            advice: [:]),
        Rule(
            verb: .shutdown, from: [.running], holds: [.defined, .stopped, .failed],
            advice: [.paused: "A paused guest can't answer the power button: resume it first, or stop it."]),
        Rule(verb: .pause, from: [.running], holds: [.paused], advice: [:]),
        Rule(verb: .resume, from: [.paused], holds: [.running], advice: [.stopped: "Start it instead."]),
        Rule(verb: .reset, from: [.running], holds: [], advice: [.paused: "Resume it first."]),
        Rule(verb: .attachDisk, from: [.running, .paused], holds: [], advice: [:]),
        Rule(verb: .detachDisk, from: [.running, .paused], holds: [], advice: [:]),
        Rule(verb: .attachNetworkInterface, from: [.running, .paused], holds: [], advice: [:]),
        Rule(verb: .detachNetworkInterface, from: [.running, .paused], holds: [], advice: [:]),
        // With force; without it the service refuses a VM that runs.
        Rule(
            verb: .delete,
            from: [.defined, .starting, .running, .paused, .stopping, .stopped, .failed], holds: [], advice: [:]),
    ]

    package static func decide(_ verb: OperationResource.Verb, in state: VMState) -> Decision {
        guard let rule = rules.first(where: { $0.verb == verb }) else {
            return .refused("\(verb.rawValue) has no rule.")
        }
        if rule.from.contains(state) { return .proceed }
        if rule.holds.contains(state) { return .holds }
        let states = rule.from.map(\.rawValue).joined(separator: ", ")
        let advice = rule.advice[state].map { " " + $0 } ?? ""
        return .refused(
            "The VM is \(state.rawValue); \(verb.rawValue) is possible in these states: \(states).\(advice)")
    }

    /// Whether `verb` may begin although `active` is under way, which it then ends. Power off must work on a guest that
    /// does not answer anything else.
    package static func supersedes(
        _ verb: OperationResource.Verb, _ active: OperationResource.Verb
    ) -> Bool {
        switch (verb, active) {
        case (.stop, .stop), (.stop, .delete), (.delete, .stop), (.delete, .delete): false
        case (.stop, _), (.delete, _): true
        default: false
        }
    }

    /// Whether the VM has no guest, so that its machine can be changed and it can be deleted.
    package static func isOff(_ state: VMState) -> Bool {
        switch state {
        case .defined, .stopped, .failed: true
        case .starting, .running, .paused, .stopping: false
        }
    }

    /// The state of a VM while `verb` is under way; nil: as it was.
    package static func stateDuring(_ verb: OperationResource.Verb) -> VMState? {
        switch verb {
        case .start: .starting
        case .stop, .shutdown, .delete: .stopping
        case .pause, .resume, .reset, .attachDisk, .detachDisk, .attachNetworkInterface, .detachNetworkInterface,
            .importImage, .createVolume:
            nil
        }
    }

    /// What the user wants when asking for `verb`; nil: nothing new.
    package static func desired(by verb: OperationResource.Verb) -> DesiredState? {
        switch verb {
        case .start, .resume: .running
        case .stop, .shutdown: .stopped
        case .pause: .paused
        case .delete: .deleted
        case .reset, .attachDisk, .detachDisk, .attachNetworkInterface, .detachNetworkInterface, .importImage,
            .createVolume:
            nil
        }
    }

    // MARK: The end of a guest

    /// What a VM is after its guest's end, and why, when `verb` was under way.
    package static func outcome(
        of end: GuestEnd, during verb: OperationResource.Verb?
    ) -> (state: VMState, reason: StateReason) {
        switch end {
        case .poweredOff:
            return (.stopped, StateReason(code: "guest-poweroff", message: "The guest powered itself off."))
        case .stopped:
            return (.stopped, StateReason(code: "requested", message: "Stopped as requested."))
        case .watchdogExpired:
            return (
                .stopped,
                StateReason(
                    code: "watchdog-expired",
                    message: "The guest no longer reloaded its watchdog, which powered it off.")
            )
        case .debugExit(let code):
            return (
                .stopped,
                StateReason(
                    code: "guest-debug-exit",
                    message: "The guest ended itself through the debug-exit port, code \(code).")
            )
        case .failed(let failure):
            // A worker that is gone is what a stop wants, whoever ended it.
            if verb == .stop || verb == .delete, failure.code == "worker-lost" || failure.code == "worker-killed" {
                return (.stopped, StateReason(code: "requested", message: "Stopped as requested."))
            }
            var reason = StateReason(code: failure.code, message: failure.message)
            reason.signal = failure.signal
            reason.exitStatus = failure.exitStatus
            reason.lastLogLines = failure.lastLogLines
            reason.coreDump = failure.coreDump
            return (.failed, reason)
        }
    }

    /// How `verb`, which was under way, ends with its guest: nil is success.
    package static func error(
        of verb: OperationResource.Verb, when end: GuestEnd, reason: StateReason
    ) -> ServiceError? {
        switch verb {
        // The device went with the guest.
        case .stop, .delete, .detachDisk, .detachNetworkInterface, .importImage, .createVolume: return nil
        case .start, .shutdown:
            guard case .failed = end else { return nil }
            return ServiceError(.guestFailed, reason.message)
        case .pause, .resume, .reset, .attachDisk, .attachNetworkInterface:
            return ServiceError(.guestFailed, "The guest ended before it could \(verb.rawValue): \(reason.message)")
        }
    }
}
