import Glibc

/// Sockets that systemd passes to a service (sd_listen_fds(3)): `LISTEN_FDS` descriptors from 3 on, meant for the
/// process `LISTEN_PID`, with names in `LISTEN_FDNAMES`.
package enum SocketActivation {
    package struct Passed: Equatable, Sendable {
        package var descriptor: Int32
        package var name: String
    }

    /// What the variables say for `processID`; nothing where they are absent, meant for another process or senseless.
    package static func passed(
        processID: Int32, environment: (String) -> String?
    ) -> [Passed] {
        guard let owner = environment("LISTEN_PID").flatMap({ Int32($0) }), owner == processID,
            let count = environment("LISTEN_FDS").flatMap({ Int32($0) }), (1...64).contains(count)
        else { return [] }
        let names = (environment("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
        return (0..<count).map { index in
            let name = Int(index) < names.count ? String(names[Int(index)]) : ""
            return Passed(descriptor: 3 + index, name: name.isEmpty ? "unknown" : name)
        }
    }

    /// The sockets passed to this process. The variables are removed, so that no child takes them for its own; ask once.
    static func take() -> [Passed] {
        let passed = passed(processID: getpid()) { name in getenv(name).map { String(cString: $0) } }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        return passed
    }
}
