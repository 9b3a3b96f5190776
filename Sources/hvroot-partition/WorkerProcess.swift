import CLinux
import Glibc
import LinuxSystem
import WorkerProtocol

/// What a worker makes of its process before it does anything else.
enum WorkerProcess {
    /// The descriptors that the launcher gives beside standard input, output and error.
    private static let reportDescriptor: Int32 = 3
    private static let lockDescriptor: Int32 = 4

    static var hasLaunchDescriptors: Bool {
        [reportDescriptor, lockDescriptor].allSatisfy { hv_fcntl_int($0, F_GETFD, 0) >= 0 }
    }

    /// Takes the launcher's two descriptors over and closes whatever else was inherited.
    static func takeLaunchDescriptors() -> StartReporter {
        _ = hv_close_from(UInt32(lockDescriptor) + 1)
        for descriptor in [reportDescriptor, lockDescriptor] { _ = hv_fcntl_int(descriptor, F_SETFD, FD_CLOEXEC) }
        return StartReporter(
            descriptor: FileDescriptor(owning: reportDescriptor), lock: FileDescriptor(owning: lockDescriptor))
    }

    /// Signals, name and rights. Called while there is one thread, so that later ones inherit its signal mask.
    static func harden(name: String) throws(Errno) {
        hv_report_fatal_signals()
        // The server's terminal, its end, and clients that go away are no concern of the guest.
        for number in [SIGINT, SIGHUP, SIGPIPE, SIGQUIT] { hv_ignore_signal(number) }
        var mask = termination
        let code = pthread_sigmask(SIG_BLOCK, &mask, nil)
        if code != 0 { throw Errno(code) }
        hv_name_thread("vm:\(name)")
        if hv_prctl(PR_SET_NO_NEW_PRIVS, 1) != 0 { throw Errno.last }
        // A core file would hold the guest's memory.
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        if setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) != 0 { throw Errno.last }
    }

    /// Keeps other processes of the same user from reading this one's memory. It also takes `/proc/self/fd` from an
    /// ordinary user, which a long socket path needs: so this comes after the socket.
    static func hide() throws(Errno) {
        if hv_prctl(PR_SET_DUMPABLE, 0) != 0 { throw Errno.last }
    }

    /// A descriptor that becomes readable when somebody asks the process to end.
    static func terminationRequests() throws(Errno) -> FileDescriptor {
        var mask = termination
        return FileDescriptor(
            owning: try retryingInterrupts { signalfd(-1, &mask, Int32(hv_signalfd_flags)) })
    }

    private static var termination: sigset_t {
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGTERM)
        return mask
    }
}

/// Tells the launcher once how the start went, and holds the VM's lock for as long as the process lives.
struct StartReporter: ~Copyable {
    private let descriptor: FileDescriptor
    let lock: FileDescriptor

    init(descriptor: consuming FileDescriptor, lock: consuming FileDescriptor) {
        self.descriptor = descriptor
        self.lock = lock
    }

    /// A launcher that has gone is no error: the next server finds the worker by its lock.
    func report(_ report: StartReport) {
        try? descriptor.writeAll(report.bytes)
        shutdown(descriptor.raw, Int32(SHUT_RDWR))
    }
}
