import DeviceSettings
import PartitionManager

extension DevicesPatch {
    /// Changes devices.
    ///
    /// - Throws: `.invalidArgument` where a device lacks what it can't be without.
    package func apply(to devices: inout DeviceSettings) throws(ServiceError) {
        switch balloon {
        case nil: break
        case .some(nil): devices.balloon = nil
        case .some(let patch?):
            var balloon = devices.balloon ?? BalloonSettings()
            patch.apply(to: &balloon)
            devices.balloon = balloon
        }
        if let watchdog { devices.watchdog = watchdog.map { WatchdogSettings(action: $0) } }
        switch vsock {
        case nil: break
        case .some(nil): devices.vsock = nil
        case .some(let patch?):
            guard let cid = patch.cid ?? devices.vsock?.cid else {
                throw ServiceError(
                    .invalidArgument, "The field '/vsock/cid' is missing.", field: "/vsock/cid",
                    expected: "3...4294967294")
            }
            devices.vsock = VsockSettings(cid: cid, backend: patch.backend ?? devices.vsock?.backend ?? .auto)
        }
        if let console { try apply(console, to: &devices.console) }
    }

    private func apply(_ patch: ConsolePatch, to console: inout ConsoleSettings) throws(ServiceError) {
        if let kind = patch.kind { console.kind = kind }
        let columns = patch.columns ?? console.size?.columns
        let rows = patch.rows ?? console.size?.rows
        switch (columns, rows) {
        case (nil, nil): console.size = nil
        case (let columns?, let rows?): console.size = .init(columns: columns, rows: rows)
        default:
            let missing = columns == nil ? "columns" : "rows"
            throw ServiceError(
                .invalidArgument, "A console's size is both its columns and its rows; \(missing) is missing.",
                field: "/console/\(missing)", expected: "1...65535")
        }
    }
}
