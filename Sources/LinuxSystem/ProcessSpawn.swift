import CLinux
import Glibc

/// Starts programs.
package enum ProcessSpawn {
    /// Starts `path` as leader of a session of its own with default signals, and with no descriptors but those given.
    ///
    /// - Parameters:
    ///   - arguments: after the program's name, which is `path`.
    ///   - environment: `NAME=value`.
    ///   - descriptors: become 0, 1, 2, … of the new process. They stay open here; every other descriptor of this
    ///     process must be close-on-exec.
    /// - Returns: the child's process id. The caller reaps it.
    package static func start(
        _ path: String, arguments: [String], environment: [String], descriptors: [Int32]
    ) throws(Errno) -> Int32 {
        // Copies above the targets, so that no target overwrites a source that is still to come.
        var copies: [Int32] = []
        defer { for copy in copies { close(copy) } }
        for descriptor in descriptors {
            let floor = Int32(descriptors.count)
            copies.append(try retryingInterrupts { hv_fcntl_int(descriptor, F_DUPFD_CLOEXEC, floor) })
        }
        var actions = posix_spawn_file_actions_t()
        try check(posix_spawn_file_actions_init(&actions))
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, copy) in copies.enumerated() {
            try check(posix_spawn_file_actions_adddup2(&actions, copy, Int32(target)))
        }
        var attributes = posix_spawnattr_t()
        try check(posix_spawnattr_init(&attributes))
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        try check(posix_spawnattr_setsigmask(&attributes, &signals))
        sigfillset(&signals)
        try check(posix_spawnattr_setsigdefault(&attributes, &signals))
        try check(posix_spawnattr_setflags(&attributes, hv_spawn_flags()))
        var process: pid_t = 0
        let code = withStrings([path] + arguments) { argv in
            withStrings(environment) { envp in
                posix_spawn(&process, path, &actions, &attributes, argv, envp)
            }
        }
        try check(code)
        return process
    }

    private static func check(_ code: Int32) throws(Errno) {
        if code != 0 { throw Errno(code) }
    }

    /// Lends `strings` as a C array that ends with null.
    private static func withStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        let copies = strings.map { strdup($0) } + [nil]
        defer { for copy in copies { free(copy) } }
        return body(copies)
    }
}
