import LinuxSystem

/// Looks now and then whether images have another size, and has their guest told: a disk grows with its image. On a
/// thread of its own, because storage that is slow to answer must keep nobody else.
final class DiskSizeWatch: Sendable {
    private static let interval: UInt64 = 2_000_000_000
    private let isEnding: Monitor<Bool>
    private let thread: SystemThread

    /// - Throws: `Errno` where the host has no thread left.
    init(_ devices: MachineDevices) throws(Errno) {
        let isEnding = Monitor(false)
        self.isEnding = isEnding
        thread = try SystemThread(name: "disk sizes") {
            while isEnding.wait(until: monotonicNanoseconds() + Self.interval, { $0 ? () : nil }) == nil {
                for case let disk as MachineDisk in devices.all { disk.lookAtSize() }
            }
        }
    }

    deinit {
        isEnding.withLock { $0 = true }
        thread.join()
    }
}
