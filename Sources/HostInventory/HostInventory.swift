import Glibc
import LinuxSystem

/// What this machine is, as the kernel tells it.
package struct Host: Sendable, Equatable {
    package var hostname: String
    package var kernelRelease: String
    /// `/etc/machine-id`; nil where the machine has none.
    package var machineID: String?
    package var processorModel: String
    /// Processors that are online.
    package var processorCount: Int
    /// Bytes; 0 where the kernel does not tell.
    package var memoryTotal: UInt64
    /// Bytes a new program can use without swapping.
    package var memoryAvailable: UInt64

    package init(
        hostname: String, kernelRelease: String, machineID: String?, processorModel: String, processorCount: Int,
        memoryTotal: UInt64, memoryAvailable: UInt64
    ) {
        self.hostname = hostname
        self.kernelRelease = kernelRelease
        self.machineID = machineID
        self.processorModel = processorModel
        self.processorCount = processorCount
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
    }
}

/// Reads the host from `/proc`, `/sys` and `/etc` below a root directory, which a test can replace.
package struct HostInventory: Sendable {
    let root: String

    /// - Parameter root: what stands before `/proc`; the empty string is this machine.
    package init(root: String = "") {
        self.root = root == "/" ? "" : root
    }

    /// The host as it is now. What can't be read is `unknown`, nil or 0; at least one processor is counted.
    package func read() -> Host {
        let memory = memory()
        return Host(
            hostname: line("/proc/sys/kernel/hostname") ?? "unknown",
            kernelRelease: line("/proc/sys/kernel/osrelease") ?? "unknown",
            machineID: line("/etc/machine-id"), processorModel: processorModel(),
            processorCount: onlineProcessors(), memoryTotal: memory.total, memoryAvailable: memory.available)
    }

    /// `MemTotal` and `MemAvailable` in bytes.
    package func memory() -> (total: UInt64, available: UInt64) {
        var total: UInt64 = 0
        var available: UInt64 = 0
        for entry in lines("/proc/meminfo") {
            let words = entry.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count >= 2, let kibibytes = UInt64(words[1]), kibibytes < 1 << 50 else { continue }
            switch words[0] {
            case "MemTotal:": total = kibibytes * 1024
            case "MemAvailable:": available = kibibytes * 1024
            default: break
            }
        }
        return (total, available)
    }

    private func processorModel() -> String {
        for entry in lines("/proc/cpuinfo") {
            guard let colon = entry.firstIndex(of: ":"), trimmed(entry[..<colon]) == "model name" else { continue }
            return trimmed(entry[entry.index(after: colon)...])
        }
        return "unknown"
    }

    private func onlineProcessors() -> Int {
        line("/sys/devices/system/cpu/online").flatMap { IndexList($0) }?.indices.count ?? 1
    }

    func lines(_ path: String) -> [Substring] {
        guard let bytes = SmallFile.read(root + path) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    func line(_ path: String) -> String? {
        guard let first = lines(path).first else { return nil }
        let text = trimmed(first)
        return text.isEmpty ? nil : text
    }

    private func trimmed(_ text: Substring) -> String {
        func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" }
        var rest = text.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        return String(rest)
    }
}
