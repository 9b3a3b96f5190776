import CLinux
import Glibc

extension FileDescriptor {
    /// A file in memory without a name that holds `bytes`, to be read from its start.
    package init(holding bytes: [UInt8]) throws(Errno) {
        let name = "/hvroot-\(UInt64.random(in: 0...UInt64.max))"
        let file = FileDescriptor(
            owning: try retryingInterrupts { shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) })
        shm_unlink(name)
        try file.writeAll(bytes)
        if lseek(file.raw, 0, SEEK_SET) != 0 { throw Errno.last }
        self = file
    }
}
