import BlockStorage
import NetworkBackends

/// A device as a client asks for it.
package enum DeviceSource: Equatable, Sendable {
    case disk(DiskSource)
    case networkInterface(NetworkSource)

    package var name: DeviceName {
        switch self {
        case .disk(let disk): .disk(disk.id)
        case .networkInterface(let interface): .networkInterface(interface.id)
        }
    }

    /// What it may do; nil: as much as it can.
    package var limit: DeviceLimit? {
        get {
            switch self {
            case .disk(let disk): DeviceLimit(disk.rateLimit)
            case .networkInterface(let interface): DeviceLimit(interface.rateLimit)
            }
        }
        set {
            switch self {
            case .disk(var disk):
                disk.rateLimit = newValue?.ofDisk
                self = .disk(disk)
            case .networkInterface(var interface):
                interface.rateLimit = newValue?.ofNetworkInterface
                self = .networkInterface(interface)
            }
        }
    }

    /// Whether `other` asks for this device, with whatever limit.
    package func isSame(as other: DeviceSource) -> Bool {
        var mine = self
        mine.limit = other.limit
        return mine == other
    }
}

extension DeviceKind {
    /// The most of it that a VM has.
    package var maximumCount: Int {
        switch self {
        case .disk: DiskSource.maximumCount
        case .networkInterface: NetworkSource.maximumCount
        }
    }
}

/// The most that a device may do: a network interface each way, a disk both ways together.
package struct DeviceLimit: Equatable, Sendable {
    package var bytesPerSecond: UInt64?
    /// Requests of a disk, packets of a network interface.
    package var operationsPerSecond: UInt64?

    /// Nil for one that limits nothing.
    package init?(bytesPerSecond: UInt64?, operationsPerSecond: UInt64?) {
        guard bytesPerSecond != nil || operationsPerSecond != nil else { return nil }
        self.bytesPerSecond = bytesPerSecond
        self.operationsPerSecond = operationsPerSecond
    }

    package init?(_ limit: DiskSource.RateLimit?) {
        self.init(bytesPerSecond: limit?.bytesPerSecond, operationsPerSecond: limit?.operationsPerSecond)
    }

    package init?(_ limit: NetworkSource.RateLimit?) {
        self.init(bytesPerSecond: limit?.bytesPerSecond, operationsPerSecond: limit?.packetsPerSecond)
    }

    var ofDisk: DiskSource.RateLimit {
        .init(bytesPerSecond: bytesPerSecond, operationsPerSecond: operationsPerSecond)
    }

    var ofNetworkInterface: NetworkSource.RateLimit {
        .init(bytesPerSecond: bytesPerSecond, packetsPerSecond: operationsPerSecond)
    }
}
