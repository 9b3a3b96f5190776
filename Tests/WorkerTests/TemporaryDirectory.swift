import Glibc
import LinuxSystem

/// A directory of a test's own, removed with what is in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/hvroot-worker-XXXXXX\0".utf8CString)
        guard let made = mkdtemp(&template) else { throw Errno.last }
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { remove("\(path)/\(name)") }
            }
            closedir(directory)
        }
        Glibc.remove(path)
    }
}

/// Overwrites a part of a file.
func patch(_ path: String, at offset: Int64, _ bytes: [UInt8]) throws {
    let file = try FileDescriptor(opening: path, O_WRONLY)
    let number = file.raw
    try retryingInterrupts { pwrite(number, bytes, bytes.count, off_t(offset)) }
}

/// A generator that gives the same numbers in each run (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
