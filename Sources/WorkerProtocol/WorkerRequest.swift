import BlockStorage
import JSON

/// A command to a worker.
package struct WorkerRequest: Sendable, Equatable {
    package enum Method: Sendable, Equatable {
        case pause, resume, reset, powerButton, stop, status
        case consoleWrite([UInt8])
        /// The guest is to come to so many bytes of memory.
        case setMemory(UInt64)
        /// Gives the guest a disk; done where it has this one already.
        case attachDisk(DiskSource)
        /// Asks the guest to eject the disk, or takes it away at once. `diskEjected` follows; the answer is `failed`
        /// where there is no such disk.
        case detachDisk(id: String, force: Bool)
        /// Takes back that the guest shall eject the disk; `failed` where it is gone.
        case keepDisk(id: String)
        /// Changes what the disk may do; nil: as much as it can.
        case limitDisk(id: String, DiskSource.RateLimit?)

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
            case .attachDisk: "attach-disk"
            case .detachDisk: "detach-disk"
            case .keepDisk: "keep-disk"
            case .limitDisk: "limit-disk"
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
        case .attachDisk(let disk): object["disk"] = disk.json
        case .detachDisk(let id, let force):
            object["disk"] = .string(id)
            object["force"] = .bool(force)
        case .keepDisk(let id): object["disk"] = .string(id)
        case .limitDisk(let id, let limit):
            object["disk"] = .string(id)
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
        case "attach-disk": method = .attachDisk(try DiskSource(json["disk"] ?? .null))
        case "detach-disk": method = .detachDisk(id: try fields.string("disk"), force: try fields.bool("force"))
        case "keep-disk": method = .keepDisk(id: try fields.string("disk"))
        case "limit-disk":
            method = .limitDisk(
                id: try fields.string("disk"),
                .init(
                    bytesPerSecond: try fields.optionalUInt64("bytesPerSecond"),
                    operationsPerSecond: try fields.optionalUInt64("operationsPerSecond")
                ).orNone)
        default: throw MessageError("method: \(name) is not known")
        }
    }
}
