import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem
import Testing
import WorkerProtocol

@Suite("The statistics page")
struct StatisticsPageTests {
    let directory: TemporaryDirectory
    var path: String { "\(directory.path)/statistics" }

    init() throws { directory = try TemporaryDirectory() }

    @Test func readsWhatWasCounted() throws {
        let writer = try StatisticsPage.Writer(directory: directory.path, runID: "run-1", vpCount: 254)
        for reason in ExitReason.allCases {
            for _ in 0...reason.rawValue { writer.countExit(vp: 253, reason: reason) }
        }
        writer.countExit(vp: 254, reason: .halt)
        writer.countExit(vp: -1, reason: .halt)
        writer.setThread(vp: 0, 4711)
        writer.addConsoleBytes(3)
        writer.addConsoleBytes(4)
        writer.setMemoryMapped(1 << 40)
        writer.setMemoryDeposited(5)
        writer.countReboot()
        writer.setPaused(true)
        let page = try StatisticsPage.Reader(path).read()
        #expect(page.runID == "run-1")
        #expect(page.processID == getpid())
        #expect(page.vpThreads.count == 254)
        #expect(page.vpThreads[0] == 4711)
        #expect(page.exits[253] == ExitReason.allCases.map { UInt64($0.rawValue) + 1 })
        #expect(page.exits[0] == ExitReason.allCases.map { _ in 0 })
        #expect(page.consoleBytes == 7)
        #expect(page.memoryMapped == 1 << 40)
        #expect(page.memoryDeposited == 5)
        #expect(page.reboots == 1)
        #expect(page.isPaused)
    }

    @Test func theBalloonIsThereOrNot() throws {
        let writer = try StatisticsPage.Writer(directory: directory.path, runID: "run-1", vpCount: 1)
        #expect(try StatisticsPage.Reader(path).read().balloon == nil)
        var balloon = BalloonCounters()
        writer.setBalloon(balloon)
        #expect(try StatisticsPage.Reader(path).read().balloon == balloon)
        balloon.inflated = 1 << 30
        balloon.returned = 3
        balloon.toldAt = 77
        for value in BalloonCounters.Value.allCases where value.rawValue != 4 {
            balloon.values[value] = 1000 + UInt64(value.rawValue)
        }
        writer.setBalloon(balloon)
        let page = try StatisticsPage.Reader(path).read()
        #expect(page.balloon == balloon && page.runID == "run-1" && page.hypercalls.isEmpty)
        // What is not told any more.
        balloon.values = [.oomKills: 1]
        writer.setBalloon(balloon)
        #expect(try StatisticsPage.Reader(path).read().balloon == balloon)
    }

    @Test func keepsEachHypercallInItsPlace() throws {
        let writer = try StatisticsPage.Writer(directory: directory.path, runID: "r", vpCount: 1)
        let first = HypercallCount(code: .createPartition, status: .success, count: 1)
        let second = HypercallCount(code: .mapGpaPages, status: .insufficientMemory, count: 2)
        writer.setHypercalls([first])
        writer.setHypercalls([second, first])
        #expect(try StatisticsPage.Reader(path).read().hypercalls == [first, second])
        let many = (0..<100).map { HypercallCount(code: CallCode(rawValue: UInt16($0)), status: .success, count: 1) }
        writer.setHypercalls(many)
        #expect(try StatisticsPage.Reader(path).read().hypercalls.count == 64)
    }

    @Test func aNewRunHasAFileOfItsOwn() throws {
        let old = try StatisticsPage.Writer(directory: directory.path, runID: "old", vpCount: 1)
        let reader = try StatisticsPage.Reader(path)
        _ = try StatisticsPage.Writer(directory: directory.path, runID: "new", vpCount: 2)
        old.addConsoleBytes(9)
        #expect(try reader.read().consoleBytes == 9)
        #expect(try StatisticsPage.Reader(path).read().runID == "new")
    }

    @Test(arguments: [(0, [1] as [UInt8]), (8, [7]), (12, [255, 0, 0, 0]), (12, [0]), (12, [2, 1, 0, 0])])
    func refusesADamagedHeader(at offset: Int, bytes: [UInt8]) throws {
        _ = try StatisticsPage.Writer(directory: directory.path, runID: "r", vpCount: 1)
        try patch(path, at: Int64(offset), bytes)
        #expect(throws: StatisticsPage.Failure.self) { try StatisticsPage.Reader(path).read() }
    }

    @Test func refusesAFileThatWasCutShort() throws {
        _ = try StatisticsPage.Writer(directory: directory.path, runID: "r", vpCount: 100)
        let reader = try StatisticsPage.Reader(path)
        for length in [4096 + 8192, 4096, 100, 0] {
            #expect(truncate(path, length) == 0)
            #expect(throws: StatisticsPage.Failure.self) { try reader.read() }
        }
    }

    @Test(arguments: [0, 255, -1]) func refusesAWrongNumberOfProcessors(count: Int) {
        #expect(throws: StatisticsPage.Failure.self) {
            try StatisticsPage.Writer(directory: directory.path, runID: "r", vpCount: count)
        }
    }
}
