import DeviceSettings
import JSON
import LinuxSystem
import PartitionManager
import WorkerProtocol

/// How the API shows the devices that a VM has once or not at all.
enum DevicesOutput {
    static func balloon(_ balloon: BalloonSettings, _ counters: BalloonCounters?) -> JSONValue {
        var object = JSONObject()
        object["target"] = balloon.target.map { .string(ByteSize.text($0)) }
        object["statisticsInterval"] = JSONValue(balloon.statisticsInterval)
        object["deflateOnOOM"] = .bool(balloon.deflatesOnOOM)
        object["freePageReporting"] = .bool(balloon.reportsFreePages)
        guard let counters else { return .object(object) }
        object["inflated"] = JSONValue(counters.inflated)
        object["returned"] = JSONValue(counters.returned)
        if let toldAt = counters.toldAt {
            var statistics: JSONObject = ["time": .string(rfc3339(toldAt))]
            for value in BalloonCounters.Value.allCases {
                if let number = counters.values[value] { statistics[name(of: value)] = JSONValue(number) }
            }
            object["statistics"] = .object(statistics)
        }
        return .object(object)
    }

    static func vsock(_ vsock: VsockSettings, socket: String?) -> JSONValue {
        var object: JSONObject = ["cid": JSONValue(vsock.cid), "backend": .string(vsock.backend.rawValue)]
        object["socket"] = socket.map(JSONValue.string)
        return .object(object)
    }

    static func console(_ console: ConsoleSettings) -> JSONValue {
        var object: JSONObject = ["type": .string(console.kind.rawValue)]
        object["columns"] = console.size.map { JSONValue($0.columns) }
        object["rows"] = console.size.map { JSONValue($0.rows) }
        return .object(object)
    }

    /// The member of the statistics.
    static func name(of value: BalloonCounters.Value) -> String {
        switch value {
        case .swapIn: "swapInBytes"
        case .swapOut: "swapOutBytes"
        case .majorFaults: "majorFaults"
        case .minorFaults: "minorFaults"
        case .memoryFree: "freeBytes"
        case .memoryTotal: "totalBytes"
        case .memoryAvailable: "availableBytes"
        case .diskCaches: "diskCacheBytes"
        case .hugePageAllocations: "hugePageAllocations"
        case .hugePageFailures: "hugePageFailures"
        case .oomKills: "oomKills"
        case .allocationStalls: "allocationStalls"
        case .asynchronousScans: "asynchronousScanBytes"
        case .directScans: "directScanBytes"
        case .asynchronousReclaims: "asynchronousReclaimBytes"
        case .directReclaims: "directReclaimBytes"
        }
    }
}
