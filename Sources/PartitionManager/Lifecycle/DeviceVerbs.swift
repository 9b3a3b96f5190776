import BlockStorage
import DeviceSources
import NetworkBackends

extension OperationResource.Verb {
    /// What kind of device it attaches or detaches; nil for other verbs.
    package var deviceKind: DeviceKind? {
        switch self {
        case .attachDisk, .detachDisk: .disk
        case .attachNetworkInterface, .detachNetworkInterface: .networkInterface
        default: nil
        }
    }

    package static func attach(_ kind: DeviceKind) -> Self {
        switch kind {
        case .disk: .attachDisk
        case .networkInterface: .attachNetworkInterface
        }
    }

    package static func detach(_ kind: DeviceKind) -> Self {
        switch kind {
        case .disk: .detachDisk
        case .networkInterface: .detachNetworkInterface
        }
    }

    var isAttach: Bool { deviceKind.map { self == .attach($0) } ?? false }
    var isDetach: Bool { deviceKind.map { self == .detach($0) } ?? false }
}

extension VMSpecification {
    /// Disks first, each kind in the order in which a guest finds them.
    package var devices: [DeviceSource] {
        disks.map(DeviceSource.disk) + networkInterfaces.map(DeviceSource.networkInterface)
    }

    package func devices(_ kind: DeviceKind) -> [DeviceSource] { devices.filter { $0.name.kind == kind } }

    package func device(_ name: DeviceName) -> DeviceSource? { devices.first { $0.name == name } }

    mutating func add(_ device: DeviceSource) {
        switch device {
        case .disk(let disk): disks.append(disk)
        case .networkInterface(let interface): networkInterfaces.append(interface)
        }
    }

    mutating func remove(_ name: DeviceName) {
        switch name.kind {
        case .disk: disks.removeAll { $0.id == name.id }
        case .networkInterface: networkInterfaces.removeAll { $0.id == name.id }
        }
    }

    /// Puts a device in the place of the one of its name.
    mutating func replace(_ device: DeviceSource) {
        switch device {
        case .disk(let disk): disks = disks.map { $0.id == disk.id ? disk : $0 }
        case .networkInterface(let interface):
            networkInterfaces = networkInterfaces.map { $0.id == interface.id ? interface : $0 }
        }
    }
}
