import Glibc
import LinuxSystem

/// A program of the host's that makes networks. Its arguments go to it as they are: no shell reads them. Blocks.
package struct NetworkTool: Sendable {
    /// Far longer than any of them needs.
    private static let timeout = 30_000
    private static let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"]

    package let name: String
    /// Debian's package that it comes in.
    package let package: String

    package static let ip = NetworkTool(name: "ip", package: "iproute2")
    package static let nft = NetworkTool(name: "nft", package: "nftables")
    package static let dnsmasq = NetworkTool(name: "dnsmasq", package: "dnsmasq-base")
    package static let all = [ip, nft, dnsmasq]

    /// Where it is; nil where it is not there.
    package var path: String? { Self.folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 } }

    /// Runs it to its end.
    ///
    /// - Parameter input: what it reads on its standard input.
    /// - Returns: what it wrote to its standard output, up to a mebibyte.
    /// - Throws: `NetworkFailure` with what it said.
    @discardableResult
    package func run(_ arguments: [String], input: String = "") throws(NetworkFailure) -> [UInt8] {
        guard let path else { throw NetworkFailure("this host has no \(name) (Debian: \(package))") }
        let (end, said, wrote): (ProcessEnd?, [UInt8], [UInt8])
        do throws(Errno) {
            let source = try FileDescriptor(holding: Array(input.utf8))
            let output = try FileDescriptor(holding: [])
            let errors = try FileDescriptor(holding: [])
            let id = try ProcessSpawn.start(
                path, arguments: arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
                descriptors: [source.raw, output.raw, errors.raw])
            let process = try PidFD(id)
            if !process.waitForEnd(milliseconds: Self.timeout) {
                try? process.send(signal: SIGKILL)
                _ = process.waitForEnd(milliseconds: 10_000)
            }
            end = process.end()
            said = try errors.read(count: 4096, at: 0)
            wrote = try output.read(count: 1 << 20, at: 0)
        } catch {
            throw NetworkFailure("\(name) can't be started: \(error)")
        }
        guard end != .exited(status: 0) else { return wrote }
        let line = String(decoding: said, as: UTF8.self).split(separator: "\n").first.map(String.init)
        throw NetworkFailure("\(name) failed: \(line ?? "it says nothing")")
    }
}
