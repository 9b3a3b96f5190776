/// The kinds of device that come and go while their machine runs.
package enum DeviceKind: String, CaseIterable, Sendable {
    case disk, networkInterface

    /// As sentences have it.
    package var words: String {
        switch self {
        case .disk: "disk"
        case .networkInterface: "network interface"
        }
    }

    /// As names of commands and events have it.
    package var slug: String {
        switch self {
        case .disk: "disk"
        case .networkInterface: "network-interface"
        }
    }
}

/// One device among those of its VM.
package struct DeviceName: Hashable, Sendable, CustomStringConvertible {
    package var kind: DeviceKind
    package var id: String

    package init(_ kind: DeviceKind, _ id: String) {
        self.kind = kind
        self.id = id
    }

    package static func disk(_ id: String) -> DeviceName { DeviceName(.disk, id) }
    package static func networkInterface(_ id: String) -> DeviceName { DeviceName(.networkInterface, id) }

    package var description: String { "\(kind.words) '\(id)'" }
}
