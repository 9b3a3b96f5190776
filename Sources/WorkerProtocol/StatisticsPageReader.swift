import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

extension StatisticsPage {
    /// Reads a statistics file, also while a worker counts in it.
    package final class Reader: Sendable {
        private let file: FileDescriptor

        package init(_ path: String) throws(Failure) {
            do throws(Errno) {
                file = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            } catch {
                throw .system(error)
            }
        }

        package func read() throws(Failure) -> Snapshot {
            let bytes: [UInt8]
            do throws(Errno) {
                bytes = try file.read(count: fileSize(vpCount: vpCounts.upperBound), at: 0)
            } catch {
                throw .system(error)
            }
            return try Snapshot(bytes)
        }
    }
}

extension StatisticsPage.Snapshot {
    /// Reads the bytes of a whole file.
    package init(_ bytes: [UInt8]) throws(StatisticsPage.Failure) {
        guard bytes.count >= StatisticsPage.headerSize else { throw .damaged("it has no whole header") }
        func word(_ offset: Int) -> UInt64 { littleEndian(bytes, offset, as: UInt64.self) }
        guard word(0) == StatisticsPage.magic else { throw .damaged("it does not start with the page's magic") }
        let version = littleEndian(bytes, 8, as: UInt32.self)
        guard version == StatisticsPage.version else { throw .damaged("its version is \(version), not 1") }
        let vps = littleEndian(bytes, 12, as: UInt32.self)
        guard let vpCount = Int(exactly: vps), StatisticsPage.vpCounts.contains(vpCount) else {
            throw .damaged("it claims \(vps) virtual processors; 1 to 254 are allowed")
        }
        // Older files end with the processors.
        guard bytes.count >= StatisticsPage.vpOffset(vpCount) else {
            throw .damaged("it has \(bytes.count) bytes, too few for \(vpCount) virtual processors")
        }
        processID = Int32(clamping: word(16))
        startedAt = word(24)
        let run = bytes[StatisticsPage.runIDOffset..<StatisticsPage.runIDOffset + StatisticsPage.runIDCapacity]
        runID = String(decoding: run.prefix { $0 != 0 }, as: UTF8.self)
        consoleBytes = word(StatisticsPage.Word.consoleBytes.rawValue)
        memoryMapped = word(StatisticsPage.Word.memoryMapped.rawValue)
        memoryDeposited = word(StatisticsPage.Word.memoryDeposited.rawValue)
        reboots = word(StatisticsPage.Word.reboots.rawValue)
        isPaused = word(StatisticsPage.Word.paused.rawValue) != 0
        vpThreads = (0..<vpCount).map { Int32(clamping: word(StatisticsPage.vpOffset($0))) }
        exits = (0..<vpCount).map { vp in
            ExitReason.allCases.map { word(StatisticsPage.vpOffset(vp) + 8 + 8 * $0.rawValue) }
        }
        disks = (0..<StatisticsPage.diskCapacity).map { disk in
            DiskCounters(words: (0..<8).map { word(StatisticsPage.diskOffset(disk) + 8 * $0) })
        }
        func name(at offset: Int) -> String {
            let end = offset + StatisticsPage.deviceNameSize
            guard end <= bytes.count else { return "" }
            return String(decoding: bytes[offset..<end].prefix { $0 != 0 }, as: UTF8.self)
        }
        diskIDs = (0..<StatisticsPage.diskCapacity).map { name(at: StatisticsPage.diskNameOffset($0)) }
        networkInterfaceIDs = (0..<StatisticsPage.networkCapacity).map {
            name(at: StatisticsPage.networkNameOffset($0, vpCount: vpCount))
        }
        networkInterfaces = (0..<StatisticsPage.networkCapacity).map { interface in
            NetworkCounters(words: (0..<8).map { word(StatisticsPage.networkOffset(interface) + 8 * $0) })
        }
        balloon = BalloonCounters(
            words: (0..<StatisticsPage.balloonWords).map { word(StatisticsPage.balloonOffset + 8 * $0) })
        hypercalls = (0..<StatisticsPage.hypercallCapacity).compactMap { entry in
            let offset = StatisticsPage.hypercallOffset + entry * StatisticsPage.hypercallSize
            guard littleEndian(bytes, offset + 12, as: UInt32.self) == 1 else { return nil }
            return HypercallCount(
                code: CallCode(rawValue: littleEndian(bytes, offset + 8, as: UInt16.self)),
                status: HypercallStatus(rawValue: littleEndian(bytes, offset + 10, as: UInt16.self)),
                count: word(offset))
        }
    }
}
