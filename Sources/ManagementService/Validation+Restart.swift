import PartitionManager

extension Validation {
    /// Seconds. Shorter ones would keep a host busy with a guest that can't live; longer ones are never.
    private static let delays = 0.1...86_400.0

    static func check(_ restart: RestartPolicy) throws(ServiceError) {
        for (name, value) in [("initialDelay", restart.initialDelay), ("maximumDelay", restart.maximumDelay)] {
            guard delays.contains(value) else {
                throw ServiceError(
                    .invalidArgument, "\(name) is \(value) seconds; it is from 0.1 seconds to a day.",
                    field: "/restart/\(name)", expected: "0.1...86400")
            }
        }
        guard restart.initialDelay <= restart.maximumDelay else {
            throw ServiceError(
                .invalidArgument,
                "initialDelay is \(restart.initialDelay) seconds, longer than maximumDelay, which is "
                    + "\(restart.maximumDelay).", field: "/restart/initialDelay", expected: "at most maximumDelay")
        }
    }
}
