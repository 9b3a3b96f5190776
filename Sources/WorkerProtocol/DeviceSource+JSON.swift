import BlockStorage
import DeviceSources
import JSON
import NetworkBackends

extension DeviceSource {
    package var json: JSONValue {
        switch self {
        case .disk(let disk): disk.json
        case .networkInterface(let interface): interface.json
        }
    }

    package init(_ kind: DeviceKind, _ json: JSONValue) throws(MessageError) {
        switch kind {
        case .disk: self = .disk(try DiskSource(json))
        case .networkInterface: self = .networkInterface(try NetworkSource(json))
        }
    }

    /// A list of devices of one kind; none where there is no list.
    package static func list(_ kind: DeviceKind, _ json: JSONValue?) throws(MessageError) -> [DeviceSource] {
        switch kind {
        case .disk: try DiskSource.list(json).map(DeviceSource.disk)
        case .networkInterface: try NetworkSource.list(json).map(DeviceSource.networkInterface)
        }
    }
}
