import Glibc
import LinuxSystem
import NetworkBackends

/// Finds a subnet that nobody uses.
package enum SubnetChooser {
    /// A route of the host's other than the default one.
    package struct Route: Equatable, Sendable {
        package var subnet: IPv4Subnet
        package var interface: String
    }

    /// The first free /24 of 10.64.0.0 to 10.127.255.0, else of 192.168.64.0 to 192.168.255.0.
    ///
    /// - Returns: nil where all are taken.
    package static func choose(besides taken: [IPv4Subnet]) -> IPv4Subnet? {
        let blocks: [(start: UInt32, count: UInt32)] = [(0x0A40_0000, 64 * 256), (0xC0A8_4000, 192)]
        for (start, count) in blocks {
            for index in 0..<count {
                guard let subnet = IPv4Subnet(IPv4Address(start + index << 8), prefix: 24) else { continue }
                if !taken.contains(where: { $0.overlaps(subnet) }) { return subnet }
            }
        }
        return nil
    }

    /// The routes of this host (of the calling thread's network): what they lead to is taken.
    package static func hostRoutes() -> [Route] {
        guard let file = try? FileDescriptor(opening: "/proc/thread-self/net/route", O_RDONLY),
            let bytes = try? file.read(count: 1 << 20)
        else { return [] }
        return routes(String(decoding: bytes, as: UTF8.self))
    }

    /// Reads the table as `/proc/net/route` shows it: hexadecimal numbers in the processor's order of bytes.
    static func routes(_ text: String) -> [Route] {
        text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: "\t").map { $0.filter { $0 != " " } }
            guard fields.count >= 8, let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16), mask != 0,
                let subnet = IPv4Subnet(
                    IPv4Address(UInt32(bigEndian: destination)),
                    prefix: UInt32(bigEndian: mask).nonzeroBitCount)
            else { return nil }
            return Route(subnet: subnet, interface: fields[0])
        }
    }
}
