import DeviceSources
import JSON

/// A command to a worker.
package struct WorkerRequest: Sendable, Equatable {
    package enum Method: Sendable, Equatable {
        case pause, resume, reset, powerButton, stop, status
        case consoleWrite([UInt8])
        /// The guest is to come to so many bytes of memory.
        case setMemory(UInt64)
        /// The guest's balloon is to come to so many bytes, and its statistics are asked for so often (seconds; 0: not).
        case setBalloon(size: UInt64, statisticsInterval: UInt64)
        /// The guest is to come to so many processors.
        case setProcessors(Int)
        /// Gives the guest a device; done where it has this one already.
        case attach(DeviceSource)
        /// Asks the guest to eject the device, or takes it away at once. `ejected` follows; the answer is `failed`
        /// where there is no such device.
        case detach(DeviceName, force: Bool)
        /// Takes back that the guest shall eject the device; `failed` where it is gone.
        case keep(DeviceName)
        /// Changes what the device may do; nil: as much as it can.
        case limit(DeviceName, DeviceLimit?)

        package var name: String {
            switch self {
            case .pause: "pause"
            case .resume: "resume"
            case .reset: "reset"
            case .powerButton: "power-button"
            case .stop: "stop"
            case .status: "status"
            case .consoleWrite: "console-write"
            case .setMemory: "set-memory"
            case .setBalloon: "set-balloon"
            case .setProcessors: "set-processors"
            case .attach(let device): "attach-\(device.name.kind.slug)"
            case .detach(let device, _): "detach-\(device.kind.slug)"
            case .keep(let device): "keep-\(device.kind.slug)"
            case .limit(let device, _): "limit-\(device.kind.slug)"
            }
        }
    }

    /// The response carries the same.
    package var id: UInt64
    package var method: Method

    package init(id: UInt64, method: Method) {
        self.id = id
        self.method = method
    }

    var json: JSONValue {
        var object: JSONObject = ["id": JSONValue(id), "method": .string(method.name)]
        switch method {
        case .pause, .resume, .reset, .powerButton, .stop, .status: break
        case .consoleWrite(let bytes): object["data"] = .string(Base64.encode(bytes))
        case .setMemory(let size): object["size"] = JSONValue(size)
        case .setBalloon(let size, let interval):
            object["size"] = JSONValue(size)
            object["statisticsInterval"] = JSONValue(interval)
        case .setProcessors(let count): object["count"] = JSONValue(count)
        case .attach(let device): object[device.name.kind.rawValue] = device.json
        case .detach(let device, let force):
            object[device.kind.rawValue] = .string(device.id)
            object["force"] = .bool(force)
        case .keep(let device): object[device.kind.rawValue] = .string(device.id)
        case .limit(let device, let limit):
            object[device.kind.rawValue] = .string(device.id)
            object["bytesPerSecond"] = limit?.bytesPerSecond.map { JSONValue($0) }
            object["operationsPerSecond"] = limit?.operationsPerSecond.map { JSONValue($0) }
        }
        return .object(object)
    }

    init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        id = try fields.uint64("id")
        let name = try fields.string("method")
        switch name {
        case "pause": method = .pause
        case "resume": method = .resume
        case "reset": method = .reset
        case "power-button": method = .powerButton
        case "stop": method = .stop
        case "status": method = .status
        case "console-write":
            guard let bytes = Base64.decode(try fields.string("data")) else {
                throw MessageError("data: must be Base64")
            }
            method = .consoleWrite(bytes)
        case "set-memory": method = .setMemory(try fields.uint64("size"))
        case "set-balloon":
            method = .setBalloon(
                size: try fields.uint64("size"), statisticsInterval: try fields.uint64("statisticsInterval"))
        case "set-processors": method = .setProcessors(Int(clamping: try fields.uint64("count")))
        default: method = try Self.ofDevice(name, fields, json)
        }
    }

    /// A command about a device: its name ends with what kind of device that is.
    private static func ofDevice(
        _ name: String, _ fields: Fields, _ json: JSONValue
    ) throws(MessageError) -> Method {
        for kind in DeviceKind.allCases where name.hasSuffix("-\(kind.slug)") {
            func device() throws(MessageError) -> DeviceName { DeviceName(kind, try fields.string(kind.rawValue)) }
            switch name.dropLast(kind.slug.utf8.count + 1) {
            case "attach": return .attach(try DeviceSource(kind, json[kind.rawValue] ?? .null))
            case "detach": return .detach(try device(), force: try fields.bool("force"))
            case "keep": return .keep(try device())
            case "limit":
                return .limit(
                    try device(),
                    DeviceLimit(
                        bytesPerSecond: try fields.optionalUInt64("bytesPerSecond"),
                        operationsPerSecond: try fields.optionalUInt64("operationsPerSecond")))
            default: break
            }
        }
        throw MessageError("method: \(name) is not known")
    }
}
