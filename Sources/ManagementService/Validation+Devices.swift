import DeviceSettings
import PartitionManager

/// Devices that a VM has once or not at all.
extension Validation {
    static func check(_ devices: DeviceSettings, memorySize: UInt64) throws(ServiceError) {
        if let balloon = devices.balloon { try check(balloon, memorySize: memorySize) }
        if let vsock = devices.vsock { try check(vsock) }
        try check(devices.console)
    }

    private static func check(_ balloon: BalloonSettings, memorySize: UInt64) throws(ServiceError) {
        let minimum = min(BalloonSettings.minimumTarget, memorySize)
        if let target = balloon.target {
            guard (minimum...memorySize).contains(target), target.isMultiple(of: BalloonSettings.step) else {
                throw ServiceError(
                    .invalidArgument,
                    "The balloon's target is what the guest is to make do with of its \(memorySize) bytes of memory: "
                        + "\(minimum) to \(memorySize), in steps of 4 KiB; not \(target).",
                    field: "/memory/balloon/target", expected: "\(minimum)...\(memorySize)")
            }
        }
        guard BalloonSettings.statisticsIntervals.contains(balloon.statisticsInterval) else {
            throw ServiceError(
                .invalidArgument,
                "The balloon's statistics are asked for every 1 to 3600 seconds, or never (0); not every "
                    + "\(balloon.statisticsInterval).", field: "/memory/balloon/statisticsInterval",
                expected: "0...3600")
        }
    }

    private static func check(_ vsock: VsockSettings) throws(ServiceError) {
        guard VsockSettings.cids.contains(vsock.cid) else {
            throw ServiceError(
                .invalidArgument,
                "A guest's context identifier is 3 to 4294967294, not \(vsock.cid): 0 to 2 are the hypervisor's and the "
                    + "host's, 4294967295 means any.", field: "/vsock/cid", expected: "3...4294967294")
        }
    }

    private static func check(_ console: ConsoleSettings) throws(ServiceError) {
        guard let size = console.size else { return }
        guard console.kind == .virtio else {
            throw ServiceError(
                .invalidArgument, "A serial port has no size to tell its guest; a virtio console has.",
                field: "/console/columns", expected: "nothing, or the type virtio")
        }
        for (name, value) in [("columns", size.columns), ("rows", size.rows)]
        where !ConsoleSettings.Size.limits.contains(value) {
            throw ServiceError(
                .invalidArgument, "A console has 1 to 65535 \(name), not \(value).", field: "/console/\(name)",
                expected: "1...65535")
        }
    }
}
