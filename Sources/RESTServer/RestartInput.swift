import JSON
import LinuxSystem
import ManagementService
import PartitionManager

/// Reads a restart policy as a client writes it.
enum RestartInput {
    static let fields = ["policy", "initialDelay", "maximumDelay"]

    /// What the member `restart` says; nil where there is none. A null takes a value away, so that its default holds.
    static func patch(_ vm: JSONFields) throws -> RestartPatch? {
        let defaults = RestartPolicy()
        if vm.isNull("restart") { return RestartPatch(defaults) }
        guard let restart = try vm.fields("restart", known: fields, readOnly: ["count", "nextAt"]) else { return nil }
        var patch = RestartPatch()
        patch.mode = restart.isNull("policy") ? defaults.mode : try restart.word("policy")
        patch.initialDelay =
            restart.isNull("initialDelay") ? defaults.initialDelay : try restart.number("initialDelay")
        patch.maximumDelay =
            restart.isNull("maximumDelay") ? defaults.maximumDelay : try restart.number("maximumDelay")
        return patch
    }
}

/// How the API shows a restart policy and where its VM is with it.
enum RestartOutput {
    static func json(_ policy: RestartPolicy, _ state: RestartState) -> JSONValue {
        var object: JSONObject = [
            "policy": .string(policy.mode.rawValue), "initialDelay": .number(policy.initialDelay),
            "maximumDelay": .number(policy.maximumDelay), "count": JSONValue(state.count),
        ]
        object["nextAt"] = state.next.map { .string(rfc3339($0)) }
        return .object(object)
    }
}
