import Hypervisor
import LinuxSystem

/// The counters of one run of a guest, in a small file: the worker counts in mapped memory, the server reads the file,
/// and neither waits for the other.
///
/// | at | field | |
/// | --- | --- | --- |
/// | 0 | magic | `hvrstats` |
/// | 8 | version | u32, 1 |
/// | 12 | VP count | u32, 1 to 254 |
/// | 16 | process id | u64 |
/// | 24 | started at | u64, nanoseconds since 1970 |
/// | 64 | console bytes of this run, memory mapped, memory deposited, reboots, paused (0 or 1) | u64 each |
/// | 128 | run id | UTF-8, zero-padded to 128 bytes |
/// | 256 | balloon | 20 u64: see `BalloonCounters` |
/// | 512 | hypercalls | 64 entries of 16 bytes: count (u64), code (u16), status (u16), used (u32, 0 or 1) |
/// | 2048 | disks | 16 entries of 64 bytes: see `DiskCounters` |
/// | 3072 | network interfaces | 8 entries of 64 bytes: see `NetworkCounters` |
/// | 1536, 3584 | ids of the disks at 0 to 7, at 8 to 15 | UTF-8, each zero-padded to 64 bytes; empty: no disk |
/// | 4096 | VPs | 128 bytes each: thread id (u64), then a u64 for each `ExitReason` |
/// | behind them | ids of the network interfaces at 0 to 7 | as those of the disks; not there in older workers' files |
package enum StatisticsPage {
    package static let vpCounts = 1...254
    package static let hypercallCapacity = 64

    static let headerSize = 4096
    static let magic: UInt64 = 0x7374_6174_7372_7668  // "hvrstats", little-endian
    static let version: UInt32 = 1
    static let runIDOffset = 128
    static let runIDCapacity = 128
    static let hypercallOffset = 512
    static let hypercallSize = 16
    static let vpSize = 128

    /// The words that are one for the guest, with their places.
    enum Word: Int {
        case consoleBytes = 64
        case memoryMapped = 72
        case memoryDeposited = 80
        case reboots = 88
        case paused = 96
    }

    static func fileSize(vpCount: Int) -> Int {
        (networkNameOffset(networkCapacity, vpCount: vpCount) + pageSize - 1) / pageSize * pageSize
    }

    static func networkNameOffset(_ interface: Int, vpCount: Int) -> Int {
        vpOffset(vpCount) + interface * deviceNameSize
    }

    static func vpOffset(_ vp: Int) -> Int { headerSize + vp * vpSize }

    /// What a statistics file says.
    package struct Snapshot: Sendable, Equatable {
        package var processID: Int32
        /// Nanoseconds since 1970.
        package var startedAt: UInt64
        package var runID: String
        package var consoleBytes: UInt64
        package var memoryMapped: UInt64
        package var memoryDeposited: UInt64
        package var reboots: UInt64
        package var isPaused: Bool
        /// Linux thread ids; 0 for a processor that has not started.
        package var vpThreads: [Int32]
        /// Per processor, in the order of `ExitReason.allCases`.
        package var exits: [[UInt64]]
        package var hypercalls: [HypercallCount]
        /// By the disks' places; those of places without a disk are zero.
        package var disks: [DiskCounters]
        /// The disks' ids by their places; empty where there is none, and from workers that do not tell.
        package var diskIDs: [String]
        /// By the network interfaces' places, as `disks`.
        package var networkInterfaces: [NetworkCounters]
        /// Nil where there is none.
        package var balloon: BalloonCounters?
        /// As `diskIDs`.
        package var networkInterfaceIDs: [String]
    }

    package enum Failure: Error, Equatable, Sendable, CustomStringConvertible {
        case system(Errno)
        /// The file is not a statistics page, or is damaged, and how that shows.
        case damaged(String)

        package var description: String {
            switch self {
            case .system(let error): "the statistics page can't be used: \(error)"
            case .damaged(let reason): "the statistics page is damaged: \(reason)"
            }
        }
    }
}
