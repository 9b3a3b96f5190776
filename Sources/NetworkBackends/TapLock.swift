import Glibc
import LinuxSystem

/// Keeps others of its kind from a tap for as long as it lives: a locked file of the tap's name. It goes with its process,
/// however that ends.
final class TapLock: Sendable {
    private let file: FileDescriptor

    /// - Parameter directory: where the files are; nil where no lock is wanted.
    /// - Throws: `NetworkError` where another one has the tap.
    init?(_ name: String, in directory: String?) throws(NetworkError) {
        guard let directory else { return nil }
        do throws(Errno) {
            // No VM's directory begins with a dot.
            file = try FileDescriptor(opening: "\(directory)/.tap-\(name)", O_RDWR | O_CREAT | O_NOFOLLOW)
            let number = file.raw
            try retryingInterrupts { flock(number, LOCK_EX | LOCK_NB) }
        } catch {
            throw error.code == EWOULDBLOCK
                ? NetworkError("the tap \(name) is another VM's, which runs")
                : NetworkError("the tap \(name) can't be locked in \(directory): \(error)")
        }
    }
}
