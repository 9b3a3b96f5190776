import BlockStorage
import Glibc
import LinuxSystem
import Synchronization
import WorkerProtocol

/// The counters of one worker's guest, read from its statistics page and from `/proc`.
final class WorkerStatistics: Sendable {
    private struct State {
        var reader: StatisticsPage.Reader?
        var last = GuestStatistics()
        var vps: [VPTime] = []
        var isOver = false
    }

    /// The processor time of a VP, over all threads that it has had.
    private struct VPTime {
        var thread: Int32 = 0
        /// Of the threads before this one.
        var before: UInt64 = 0
        /// Of this one, as last read.
        var current: UInt64 = 0
    }

    private let launch: GuestLaunch
    private let state = Mutex(State())

    init(_ launch: GuestLaunch) { self.launch = launch }

    /// The counters as they are now, or as they were last where they can't be read.
    func read() -> GuestStatistics {
        state.withLock { state in
            if !state.isOver { update(&state) }
            return state.last
        }
    }

    /// The worker has ended: the counters stay as they are.
    func finish() {
        state.withLock { state in
            update(&state, readsThreads: false)
            state.isOver = true
            state.reader = nil
        }
    }

    private func update(_ state: inout State, readsThreads: Bool = true) {
        if state.reader == nil {
            state.reader = try? StatisticsPage.Reader("\(launch.directory)/\(VMFiles.statistics)")
        }
        guard let page = try? state.reader?.read(), page.runID == launch.runID else {
            // A page of an earlier run: its successor has an other file.
            state.reader = nil
            return
        }
        if state.vps.count != page.vpThreads.count {
            state.vps = [VPTime](repeating: VPTime(), count: page.vpThreads.count)
        }
        for (vp, thread) in page.vpThreads.enumerated() where readsThreads && thread > 0 {
            if state.vps[vp].thread != thread {
                state.vps[vp].before &+= state.vps[vp].current
                state.vps[vp].current = 0
                state.vps[vp].thread = thread
            }
            if let time = Self.processorTime(page.processID, thread), time > state.vps[vp].current {
                state.vps[vp].current = time
            }
        }
        var now = GuestStatistics()
        now.vpRunTime = state.vps.map { $0.before &+ $0.current }
        now.exits = page.exits
        now.consoleBytes = page.consoleBytes
        now.memoryMapped = page.memoryMapped
        now.memoryDeposited = page.memoryDeposited
        now.hypercalls = page.hypercalls
        now.reboots = page.reboots
        func byID<Counters>(_ counters: [Counters], _ told: [String], _ first: [String]) -> [String: Counters] {
            // A worker that does not tell its devices' places has those that it was started with.
            let names = told.allSatisfy(\.isEmpty) ? first : told
            return Dictionary(
                zip(names, counters).filter { !$0.0.isEmpty }, uniquingKeysWith: { first, _ in first })
        }
        now.disks = byID(page.disks, page.diskIDs, launch.disks.map(\.id))
        now.networkInterfaces = byID(
            page.networkInterfaces, page.networkInterfaceIDs, launch.networkInterfaces.map(\.id))
        now.balloon = page.balloon
        state.last = now
    }

    /// Nanoseconds that a thread has run: the first number of its `schedstat`.
    private static func processorTime(_ process: Int32, _ thread: Int32) -> UInt64? {
        guard let file = try? FileDescriptor(opening: "/proc/\(process)/task/\(thread)/schedstat", O_RDONLY),
            let bytes = try? file.read(count: 128)
        else { return nil }
        return UInt64(String(decoding: bytes.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }
}
