import CLinux
import Glibc
import LinuxSystem

/// Files of a few KiB, as `/proc`, `/sys` and lock files are.
package enum SmallFile {
    /// The file's first `limit` bytes; nil where it can't be read.
    package static func read(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        guard let file = try? FileDescriptor(opening: path, O_RDONLY) else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < limit {
            let wanted = min(buffer.count, limit - bytes.count)
            guard let got = try? retryingInterrupts({ Glibc.read(file.raw, &buffer, wanted) }) else { return nil }
            if got == 0 { break }
            bytes += buffer[..<got]
        }
        return bytes
    }
}
