import Glibc
import LinuxSystem

/// A program of the host's that makes or changes image files. Blocks.
package struct HostTool: Sendable {
    /// Longer than any of them needs for what is asked here.
    private static let timeout = 120_000

    package let path: String
    /// For messages: what it is called and the Debian package it comes in.
    private let name: String

    package static let qemuImage = find("qemu-img", ["qemu-img"])
    /// They take the same arguments.
    package static let isoMaker = find("genisoimage", ["genisoimage", "mkisofs"])

    private static func find(_ name: String, _ programs: [String]) -> @Sendable () -> HostTool? {
        {
            for program in programs {
                for folder in ["/usr/bin", "/usr/local/bin"] where access("\(folder)/\(program)", X_OK) == 0 {
                    return HostTool(path: "\(folder)/\(program)", name: name)
                }
            }
            return nil
        }
    }

    /// Runs it to its end.
    ///
    /// - Parameter directory: where what it says is kept for as long as it runs.
    /// - Throws: `StorageFailure` with what it said.
    package func run(_ arguments: [String], directory: String) throws(StorageFailure) {
        let said: [UInt8]
        let end: ProcessEnd?
        do throws(Errno) {
            let nothing = try FileDescriptor(opening: "/dev/null", O_RDWR)
            let log = StoreDirectory(directory).temporaryPath()
            let output = try FileDescriptor(opening: log, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND)
            unlink(log)
            let id = try ProcessSpawn.start(
                path, arguments: arguments, environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"],
                descriptors: [nothing.raw, output.raw, output.raw])
            let process = try PidFD(id)
            if !process.waitForEnd(milliseconds: Self.timeout) {
                try? process.send(signal: SIGKILL)
                _ = process.waitForEnd(milliseconds: 10_000)
            }
            end = process.end()
            said = try output.read(count: 4096, at: 0)
        } catch {
            throw StorageFailure(error, "\(name) can't be started")
        }
        guard end != .exited(status: 0) else { return }
        let line = String(decoding: said, as: UTF8.self).split(separator: "\n").first.map(String.init)
        throw StorageFailure(
            said.count > 0 && String(decoding: said, as: UTF8.self).contains("No space left") ? .full : .failed,
            "\(name) failed: \(line ?? "it says nothing")")
    }
}
