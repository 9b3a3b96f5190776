import CLinux
import Glibc

/// An error number of the kernel, with its text.
package struct Errno: Error, Equatable, Sendable, CustomStringConvertible {
    /// The positive number, as in `<errno.h>`.
    package let code: Int32

    package init(_ code: Int32) { self.code = code }

    /// The calling thread's `errno`. Read it before anything else is called.
    package static var last: Errno { Errno(errno) }

    package var description: String {
        guard let text = strerror(code) else { return "errno \(code)" }
        return "\(String(cString: text)) (errno \(code))"
    }
}

/// Repeats a system call while a signal interrupts it.
///
/// - Returns: the call's result, 0 or more.
/// - Throws: `Errno` when the call returns a negative number for another reason than `EINTR`.
@discardableResult
package func retryingInterrupts<T: SignedInteger>(_ call: () -> T) throws(Errno) -> T {
    while true {
        let result = call()
        if result >= 0 { return result }
        let error = Errno.last
        if error.code != EINTR { throw error }
    }
}
