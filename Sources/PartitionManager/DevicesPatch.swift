import DeviceSettings

/// What a PATCH changes of a VM's devices; nil leaves as it is, `.some(nil)` takes a device away.
package struct DevicesPatch: Sendable, Equatable {
    package var balloon: BalloonPatch??
    package var watchdog: WatchdogSettings.Action??
    package var vsock: VsockPatch??
    package var console: ConsolePatch?

    package init() {}

    /// The first field that only a VM without a guest can change.
    package func machineField(of devices: DeviceSettings) -> String? {
        switch balloon {
        case nil: break
        case .some(nil): if devices.balloon != nil { return "/memory/balloon" }
        case .some(let balloon?):
            if devices.balloon == nil { return "/memory/balloon" }
            if balloon.deflatesOnOOM != nil { return "/memory/balloon/deflateOnOOM" }
            if balloon.reportsFreePages != nil { return "/memory/balloon/freePageReporting" }
        }
        if watchdog != nil { return "/watchdog" }
        if vsock != nil { return "/vsock" }
        return console == nil ? nil : "/console"
    }
}

package struct BalloonPatch: Sendable, Equatable {
    package var target: UInt64??
    package var statisticsInterval: Int?
    package var deflatesOnOOM: Bool?
    package var reportsFreePages: Bool?

    package init() {}

    package func apply(to balloon: inout BalloonSettings) {
        if let target { balloon.target = target }
        if let statisticsInterval { balloon.statisticsInterval = statisticsInterval }
        if let deflatesOnOOM { balloon.deflatesOnOOM = deflatesOnOOM }
        if let reportsFreePages { balloon.reportsFreePages = reportsFreePages }
    }
}

package struct VsockPatch: Sendable, Equatable {
    package var cid: UInt64?
    package var backend: VsockSettings.Backend?

    package init() {}
}

package struct ConsolePatch: Sendable, Equatable {
    package var kind: ConsoleSettings.Kind?
    /// `.some(nil)`: the guest is told none.
    package var columns: Int??
    package var rows: Int??

    package init() {}
}
