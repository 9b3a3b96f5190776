import CLinux
import Glibc
import HostInventory
import LinuxSystem

/// Holds a state directory for one server. The kernel ends the lock with the process, however that ends.
struct StateDirectoryLock: ~Copyable, Sendable {
    private let file: FileDescriptor

    /// - Throws: `StoreError` `.locked` naming the process that holds the directory.
    init(directory: String) throws(StoreError) {
        let path = directory + "/lock"
        let file = try StateDirectoryLock.open(path)
        guard hv_state_flock(file.raw, LOCK_EX | LOCK_NB) == 0 else {
            let error = Errno.last
            guard error.code == EWOULDBLOCK else { throw StoreError(.inputOutput, "\(path) can't be locked: \(error)") }
            throw StoreError(
                .locked,
                "\(directory) is in use by \(StateDirectoryLock.holder(path)); a state directory is one "
                    + "server's: end that one or take an other --state-dir")
        }
        // The process id is only for the message above: whether the directory is held is told by the lock.
        _ = ftruncate(file.raw, 0)
        var text = "\(getpid())\n"
        _ = text.withUTF8 { pwrite(file.raw, $0.baseAddress, $0.count, 0) }
        self.file = file
    }

    private static func open(_ path: String) throws(StoreError) -> FileDescriptor {
        do throws(Errno) {
            return try FileDescriptor(opening: path, O_RDWR | O_CREAT)
        } catch {
            throw StoreError(.inputOutput, "\(path) can't be opened: \(error)")
        }
    }

    private static func holder(_ path: String) -> String {
        guard let bytes = SmallFile.read(path, limit: 32),
            let process = Int32(String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" })
        else { return "an other hvrootd" }
        return "the hvrootd with process id \(process)"
    }
}
