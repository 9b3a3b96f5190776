import DeviceSources
import Hypervisor
import LinuxSystem
import Synchronization
import Virtio
import VirtualMachine
import WorkerProtocol

/// Takes what the machine's threads tell, and wakes the control loop where that has something to do.
final class WorkerObserver: MachineObserver {
    private struct News {
        var end: MachineEnd?
        /// What happened to the guest that the server is told of, in order.
        var events: [WorkerEvent] = []
        var dump: (place: CoreDumpPlace, error: Errno?)?
    }

    let ring: ConsoleRing.Writer
    let statistics: StatisticsPage.Writer
    /// Readable when there is news for the control loop.
    let wake: EventFD
    private let news = Mutex(News())
    /// Whether bytes were printed that the control loop has not looked at: a guest that goes on printing then costs
    /// no system calls.
    private let hasPrinted = Atomic(false)

    init(ring: ConsoleRing.Writer, statistics: StatisticsPage.Writer, wake: EventFD) {
        self.ring = ring
        self.statistics = statistics
        self.wake = wake
    }

    // The machine's threads.

    func machineDidPrint(_ bytes: UnsafeRawBufferPointer) {
        ring.write(bytes)
        statistics.addConsoleBytes(bytes.count)
        if !hasPrinted.exchange(true, ordering: .acquiringAndReleasing) { wake.signal() }
    }

    func machineDidReset() {
        statistics.countReboot()
        add(.rebooted)
    }

    func machineDidLoadCrashKernel() { add(.crashKernelLoaded) }

    func machineDidExpireWatchdog() { add(.watchdogExpired) }

    func machineDidChange(balloon news: BalloonNews) {
        var counters = BalloonCounters()
        counters.inflated = news.inflated
        counters.returned = news.returned
        if let statistics = news.statistics {
            counters.toldAt = realtimeNanoseconds()
            for (tag, value) in statistics.values {
                if let place = BalloonCounters.Value(rawValue: Int(tag.rawValue)) { counters.values[place] = value }
            }
        }
        self.statistics.setBalloon(counters)
    }

    private func add(_ event: WorkerEvent) {
        news.withLock { news in
            // Once, however often: a guest does it as often as it likes.
            if !news.events.contains(event) { news.events.append(event) }
        }
        wake.signal()
    }

    func machineDidDump(_ place: CoreDumpPlace, _ error: Errno?) { news.withLock { $0.dump = (place, error) } }

    func machineDidEnd(_ end: MachineEnd) {
        // The first end is the reason; what follows from it is not.
        news.withLock { $0.end = $0.end ?? end }
        wake.signal()
    }

    func machineDidStart(vp: Int, thread: Int32) { statistics.setThread(vp: vp, thread) }

    func machineDidStop(vp: Int) { statistics.setThread(vp: vp, 0) }

    func machineDidChange(processors: Int) {
        news.withLock { news in
            // The newest number is the news: a guest can bring and eject its processors as fast as it likes.
            news.events.removeAll { if case .processors = $0 { true } else { false } }
            news.events.append(.processors(processors))
        }
        wake.signal()
    }

    func machineDidExit(vp: Int, reason: ExitReason) { statistics.countExit(vp: vp, reason: reason) }

    func machineDidPlace(_ device: DeviceName, at place: Int) {
        switch device.kind {
        case .disk: statistics.setDisk(place, id: device.id)
        case .networkInterface: statistics.setNetworkInterface(place, id: device.id)
        }
    }

    func machineDidEject(_ device: DeviceName) {
        news.withLock { $0.events.append(.ejected(device)) }
        wake.signal()
    }

    func machineDidUse(disk: Int, _ account: BlockAccount) {
        let kind: DiskCounters.Kind =
            switch account.kind {
            case .read: .read
            case .write: .write
            case .flush: .flush
            case .discard: .discard
            }
        statistics.countDisk(disk, kind, bytes: account.bytes, hasFailed: account.hasFailed)
    }

    func machineDidUse(networkInterface: Int, _ account: NetAccount) {
        var counters = NetworkCounters()
        counters.received = .init(
            packets: account.received.packets, bytes: account.received.bytes, dropped: account.received.dropped)
        counters.sent = .init(packets: account.sent.packets, bytes: account.sent.bytes, dropped: account.sent.dropped)
        counters.spoofed = account.spoofed
        statistics.countNetwork(networkInterface, counters)
    }

    // The control loop.

    /// Whether there are console bytes that `takePrinted` has not taken note of.
    var printed: Bool { hasPrinted.load(ordering: .acquiring) }

    /// The console's total; bytes beyond it make `printed` true again.
    func takePrinted() -> UInt64 {
        hasPrinted.store(false, ordering: .sequentiallyConsistent)
        return ring.total
    }

    /// What happened since the last call.
    func takeEvents() -> [WorkerEvent] {
        news.withLock { news in
            defer { news.events = [] }
            return news.events
        }
    }

    /// What came of the core file of the guest's crash; nil where none was asked for.
    var dump: (place: CoreDumpPlace, error: Errno?)? { news.withLock { $0.dump } }

    var end: MachineEnd? { news.withLock { $0.end } }
}
