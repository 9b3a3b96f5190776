import DeviceSources
import JSON

/// What goes over a worker's control socket. The worker speaks first: `hello`. Then the server sends requests, each of
/// which gets one response, and acknowledges `consoleAdvanced`; the worker sends events as they happen.
package enum WorkerMessage: Sendable, Equatable {
    case hello(WorkerHello)
    case request(WorkerRequest)
    case response(WorkerResponse)
    case event(WorkerEvent)
    /// The server has taken note of the console up to this total. Before it the worker sends no further
    /// `consoleAdvanced`, so that a guest that prints without end can't flood the server.
    case acknowledge(consoleTotal: UInt64)

    private enum Kind: UInt16 {
        case hello = 1
        case request, response, event, acknowledge
    }

    /// The message as a frame; nil where it is too long for one.
    package var bytes: [UInt8]? {
        let (kind, json): (Kind, JSONValue) =
            switch self {
            case .hello(let hello): (.hello, hello.json)
            case .request(let request): (.request, request.json)
            case .response(let response): (.response, response.json)
            case .event(let event): (.event, event.json)
            case .acknowledge(let total): (.acknowledge, ["consoleTotal": JSONValue(total)])
            }
        return Frame(kind: kind.rawValue, payload: json.serialized()).bytes
    }

    package init(_ frame: Frame) throws(MessageError) {
        guard let kind = Kind(rawValue: frame.kind) else { throw MessageError("a message of kind \(frame.kind)") }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue.parse(frame.payload)
        } catch {
            throw MessageError("a message that is not JSON: \(error)")
        }
        switch kind {
        case .hello: self = .hello(try WorkerHello(json))
        case .request: self = .request(try WorkerRequest(json))
        case .response: self = .response(try WorkerResponse(json))
        case .event: self = .event(try WorkerEvent(json))
        case .acknowledge: self = .acknowledge(consoleTotal: try Fields(json).uint64("consoleTotal"))
        }
    }
}

/// Who a worker is and how its guest is.
package struct WorkerHello: Sendable, Equatable {
    package var vmID: String
    package var runID: String
    package var processID: Int32
    /// The frame versions that the worker speaks.
    package var protocolVersions: [UInt64]
    /// Nanoseconds since 1970.
    package var startedAt: UInt64
    package var isPaused: Bool
    package var reboots: UInt64
    /// The devices that are open, by their kind; a kind that a worker can't attach and detach is not there.
    package var devices: [DeviceKind: [DeviceSource]]
    /// The processors that the guest has; nil where they neither come nor go.
    package var processors: Int?

    package init(
        vmID: String, runID: String, processID: Int32, protocolVersions: [UInt64] = [UInt64(Frame.version)],
        startedAt: UInt64, isPaused: Bool, reboots: UInt64, devices: [DeviceKind: [DeviceSource]] = [:],
        processors: Int? = nil
    ) {
        self.processors = processors
        self.devices = devices
        self.vmID = vmID
        self.runID = runID
        self.processID = processID
        self.protocolVersions = protocolVersions
        self.startedAt = startedAt
        self.isPaused = isPaused
        self.reboots = reboots
    }

    var json: JSONValue {
        var object: JSONObject = [
            "vmId": .string(vmID), "runId": .string(runID), "pid": JSONValue(processID),
            "protocolVersions": .array(protocolVersions.map { JSONValue($0) }), "startedAt": JSONValue(startedAt),
            "isPaused": .bool(isPaused), "reboots": JSONValue(reboots),
        ]
        for (kind, devices) in devices { object[Self.member(kind)] = .array(devices.map(\.json)) }
        object["processors"] = processors.map { JSONValue($0) }
        return .object(object)
    }

    init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        vmID = try fields.string("vmId")
        runID = try fields.string("runId")
        processID = Int32(clamping: try fields.uint64("pid"))
        protocolVersions = (json["protocolVersions"]?.array ?? []).compactMap(\.uint64)
        startedAt = try fields.uint64("startedAt")
        isPaused = try fields.bool("isPaused")
        reboots = try fields.uint64("reboots")
        devices = [:]
        for kind in DeviceKind.allCases {
            guard let list = json[Self.member(kind)] else { continue }
            devices[kind] = try DeviceSource.list(kind, list)
        }
        processors = try fields.optionalUInt64("processors").map { Int(clamping: $0) }
    }

    private static func member(_ kind: DeviceKind) -> String { kind.rawValue + "s" }
}

/// The answer to a request.
package struct WorkerResponse: Sendable, Equatable {
    package enum Result: Sendable, Equatable {
        case done
        /// So many bytes of a `consoleWrite` were taken.
        case taken(UInt64)
        case status(isPaused: Bool, consoleTotal: UInt64)
        /// The command did not succeed, and why.
        case failed(String)
    }

    package var id: UInt64
    package var result: Result

    package init(id: UInt64, result: Result) {
        self.id = id
        self.result = result
    }

    var json: JSONValue {
        var object: JSONObject = ["id": JSONValue(id)]
        switch result {
        case .done: object["result"] = .object([:])
        case .taken(let count): object["result"] = ["taken": JSONValue(count)]
        case .status(let isPaused, let total):
            object["result"] = ["isPaused": .bool(isPaused), "consoleTotal": JSONValue(total)]
        case .failed(let reason): object["error"] = .string(reason)
        }
        return .object(object)
    }

    init(_ json: JSONValue) throws(MessageError) {
        id = try Fields(json).uint64("id")
        if let reason = json["error"]?.string {
            result = .failed(reason)
        } else if let value = json["result"], value.object != nil {
            if value["taken"] != nil {
                result = .taken(try Fields(value).uint64("taken"))
            } else if value["isPaused"] != nil {
                result = .status(
                    isPaused: try Fields(value).bool("isPaused"),
                    consoleTotal: try Fields(value).uint64("consoleTotal"))
            } else {
                result = .done
            }
        } else {
            throw MessageError("result: must be an object, or error a string")
        }
    }
}

/// What a worker tells unasked.
package enum WorkerEvent: Sendable, Equatable {
    /// The console ring has bytes up to this total. One at a time: the next comes after `acknowledge`.
    case consoleAdvanced(total: UInt64)
    case rebooted
    /// The guest's kernel panicked and goes on with its crash kernel.
    case crashKernelLoaded
    /// The guest no longer reloaded its watchdog, which does now what it was set to.
    case watchdogExpired
    /// The device is gone: the guest ejected it, or it was taken away. What it used is closed.
    case ejected(DeviceName)
    /// The guest has so many processors now.
    case processors(Int)
    /// The guest has ended and `RunResult` is written; the process ends now.
    case ended

    var json: JSONValue {
        switch self {
        case .consoleAdvanced(let total): ["event": "console-advanced", "total": JSONValue(total)]
        case .rebooted: ["event": "rebooted"]
        case .watchdogExpired: ["event": "watchdog-expired"]
        case .crashKernelLoaded: ["event": "crash-kernel-loaded"]
        case .ejected(let device):
            ["event": .string("\(device.kind.slug)-ejected"), device.kind.rawValue: .string(device.id)]
        case .processors(let count): ["event": "processors", "count": JSONValue(count)]
        case .ended: ["event": "ended"]
        }
    }

    init(_ json: JSONValue) throws(MessageError) {
        let name = try Fields(json).string("event")
        switch name {
        case "console-advanced": self = .consoleAdvanced(total: try Fields(json).uint64("total"))
        case "rebooted": self = .rebooted
        case "watchdog-expired": self = .watchdogExpired
        case "crash-kernel-loaded": self = .crashKernelLoaded
        case "processors": self = .processors(Int(clamping: try Fields(json).uint64("count")))
        case "ended": self = .ended
        default:
            guard let kind = DeviceKind.allCases.first(where: { name == "\($0.slug)-ejected" }) else {
                throw MessageError("event: \(name) is not known")
            }
            self = .ejected(DeviceName(kind, try Fields(json).string(kind.rawValue)))
        }
    }
}
