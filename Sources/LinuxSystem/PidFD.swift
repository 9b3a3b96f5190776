import CLinux
import Glibc

/// How a process ended.
package enum ProcessEnd: Sendable, Equatable {
    case exited(status: Int32)
    case killed(signal: Int32)

    fileprivate init?(waitStatus: Int32) {
        if hv_exited(waitStatus) != 0 {
            self = .exited(status: hv_exit_code(waitStatus))
        } else if hv_signalled(waitStatus) != 0 {
            self = .killed(signal: hv_term_signal(waitStatus))
        } else {
            return nil
        }
    }
}

/// A process held by its descriptor, so that its number can't come to mean another one.
package final class PidFD: Sendable {
    private let descriptor: FileDescriptor
    package let processID: Int32

    /// - Throws: `ESRCH` where there is no such process.
    package init(_ processID: Int32) throws(Errno) {
        descriptor = FileDescriptor(owning: try retryingInterrupts { hv_pidfd_open(processID) })
        self.processID = processID
    }

    /// The descriptor's number, for epoll: it becomes readable when the process has ended.
    package var raw: Int32 { descriptor.raw }

    package func send(signal: Int32) throws(Errno) {
        let number = descriptor.raw
        try retryingInterrupts { hv_pidfd_send_signal(number, signal) }
    }

    /// Waits for the process to end, at most `milliseconds`.
    package func waitForEnd(milliseconds: Int) -> Bool {
        let deadline = monotonicNanoseconds() + UInt64(max(milliseconds, 0)) * 1_000_000
        while true {
            let now = monotonicNanoseconds()
            let left = now >= deadline ? 0 : (deadline - now) / 1_000_000 + 1
            var poll = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
            if Glibc.poll(&poll, 1, Int32(clamping: left)) > 0 { return true }
            if now >= deadline { return false }
        }
    }

    /// How the process ended, as far as the kernel tells us: of a child always (and it is reaped by this); of another
    /// process of this user while its parent has not reaped it, and from Linux 6.15 on also after that. Nil where it
    /// has not ended or that is not known.
    package func end() -> ProcessEnd? {
        var status: Int32 = 0
        if waitpid(processID, &status, WNOHANG) == processID { return ProcessEnd(waitStatus: status) }
        if hv_pidfd_exit_status(descriptor.raw, &status) == 0 { return ProcessEnd(waitStatus: status) }
        return zombieEnd()
    }

    /// From field 52 of `/proc/PID/stat`, where the process is a zombie: as long as it is one its number is its own.
    private func zombieEnd() -> ProcessEnd? {
        guard let file = try? FileDescriptor(opening: "/proc/\(processID)/stat", O_RDONLY),
            let bytes = try? file.read(count: 4096),
            // The program's name, in parentheses, may hold anything.
            let name = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = String(decoding: bytes[(name + 1)...], as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard fields.count >= 50, fields[0] == "Z", let status = Int32(fields[49])
        else { return nil }
        // The kernel shows 0 to those who may not know.
        return status == 0 ? nil : ProcessEnd(waitStatus: status)
    }
}
