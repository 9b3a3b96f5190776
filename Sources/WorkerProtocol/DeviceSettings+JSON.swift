import DeviceSettings
import JSON

/// Devices in launch files and in the state store: members are only ever added.
extension DeviceSettings {
    package var json: JSONValue {
        var object = JSONObject()
        if let balloon {
            var value: JSONObject = [
                "statisticsInterval": JSONValue(balloon.statisticsInterval),
                "deflatesOnOOM": .bool(balloon.deflatesOnOOM), "reportsFreePages": .bool(balloon.reportsFreePages),
            ]
            value["target"] = balloon.target.map { JSONValue($0) }
            object["balloon"] = .object(value)
        }
        if let watchdog { object["watchdog"] = ["action": .string(watchdog.action.rawValue)] }
        if let vsock {
            object["vsock"] = ["cid": JSONValue(vsock.cid), "backend": .string(vsock.backend.rawValue)]
        }
        var value: JSONObject = ["type": .string(console.kind.rawValue)]
        value["columns"] = console.size.map { JSONValue($0.columns) }
        value["rows"] = console.size.map { JSONValue($0.rows) }
        object["console"] = .object(value)
        return .object(object)
    }

    /// - Parameter json: nil, as before there were such devices: none.
    package init(_ json: JSONValue?) throws(MessageError) {
        self.init()
        guard let json, !json.isNull else { return }
        if let value = json["balloon"] {
            let fields = Fields(value)
            var balloon = BalloonSettings()
            balloon.target = try fields.optionalUInt64("target")
            balloon.statisticsInterval = try Self.number(
                fields, "statisticsInterval", BalloonSettings.statisticsIntervals)
            balloon.deflatesOnOOM = try fields.bool("deflatesOnOOM")
            balloon.reportsFreePages = try fields.bool("reportsFreePages")
            self.balloon = balloon
        }
        if let value = json["watchdog"] { watchdog = WatchdogSettings(action: try Self.word(Fields(value), "action")) }
        if let value = json["vsock"] {
            let cid = try Fields(value).uint64("cid")
            guard VsockSettings.cids.contains(cid) else { throw MessageError("cid: \(cid) is none of a guest") }
            vsock = VsockSettings(cid: cid, backend: try Self.word(Fields(value), "backend"))
        }
        guard let value = json["console"] else { return }
        let fields = Fields(value)
        console.kind = try Self.word(fields, "type")
        guard try fields.optionalUInt64("columns") != nil else { return }
        console.size = .init(
            columns: try Self.number(fields, "columns", ConsoleSettings.Size.limits),
            rows: try Self.number(fields, "rows", ConsoleSettings.Size.limits))
    }

    private static func word<Word: RawRepresentable<String>>(
        _ fields: Fields, _ name: String
    ) throws(MessageError) -> Word {
        let text = try fields.string(name)
        guard let word = Word(rawValue: text) else { throw MessageError("\(name): \(text) is not known") }
        return word
    }

    private static func number(
        _ fields: Fields, _ name: String, _ range: ClosedRange<Int>
    ) throws(MessageError) -> Int {
        let value = try fields.uint64(name)
        guard let number = Int(exactly: value), range.contains(number) else {
            throw MessageError("\(name): \(value) is none of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
