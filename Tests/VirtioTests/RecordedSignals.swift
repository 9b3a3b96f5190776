import LinuxSystem

@testable import Virtio

/// What a device told its driver.
final class RecordedSignals: VirtioSignals {
    struct News {
        var used: [Int: Int] = [:]
        var changed = 0
        var broken: [VirtQueueError] = []
    }

    let news = Monitor(News())
    func queueWasUsed(_ queue: Int) { news.withLock { $0.used[queue, default: 0] += 1 } }
    func configurationChanged() { news.withLock { $0.changed += 1 } }
    func needsReset(_ reason: VirtQueueError) { news.withLock { $0.broken.append(reason) } }

    var broken: [VirtQueueError] { news.read { $0.broken } }
    func used(_ queue: Int) -> Int { news.read { $0.used[queue] ?? 0 } }
}
