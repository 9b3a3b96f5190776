import BlockStorage
import DeviceSettings
import Hypervisor
import JSON
import NetworkBackends
import WorkerProtocol

/// The JSON texts inside the state store's rows. They are read back by later versions: members are only ever added.
enum RecordCodec {
    static func text(_ value: JSONValue) -> String { String(decoding: value.serialized(), as: UTF8.self) }

    static func value(_ text: String, of what: String) throws(StoreError) -> JSONValue {
        do {
            return try JSONValue.parse(Array(text.utf8))
        } catch {
            throw StoreError(.corrupt, "\(what) in the state store is not JSON: \(error)")
        }
    }

    // MARK: Specification

    static func encode(_ specification: VMSpecification) -> JSONValue {
        var boot: JSONObject = [
            "kernel": .string(specification.kernel), "commandLine": .string(specification.commandLine),
            "format": .string(specification.bootFormat),
        ]
        boot["initrd"] = specification.initrd.map(JSONValue.string)
        boot["loadAddress"] = specification.loadAddress.map { JSONValue($0) }
        var labels = JSONObject()
        for (key, value) in specification.labels.sorted(by: { $0.key < $1.key }) { labels[key] = .string(value) }
        var object: JSONObject = [
            "vpCount": JSONValue(specification.vpCount), "memorySize": JSONValue(specification.memorySize),
            "boot": .object(boot), "labels": .object(labels),
        ]
        if !specification.disks.isEmpty { object["disks"] = .array(specification.disks.map(\.json)) }
        object["cloudInit"] = specification.cloudInit?.json
        if !specification.networkInterfaces.isEmpty {
            object["networkInterfaces"] = .array(specification.networkInterfaces.map(\.json))
        }
        if specification.restart != RestartPolicy() { object["restart"] = specification.restart.json }
        object["vpMaximum"] = specification.vpMaximum.map { JSONValue($0) }
        object["memoryMaximum"] = specification.memoryMaximum.map { JSONValue($0) }
        if specification.deviceSettings != DeviceSettings() { object["devices"] = specification.deviceSettings.json }
        if specification.placement != Placement() { object["placement"] = specification.placement.json }
        if !specification.withheldFeatures.names.isEmpty {
            object["withheldFeatures"] = specification.withheldFeatures.json
        }
        if specification.dumpsCore { object["dumpsCore"] = .bool(true) }
        if let model = specification.simulation {
            var simulation: JSONObject = [
                "seed": JSONValue(model.seed), "bootTime": JSONValue(model.bootTime),
                "banner": .string(model.banner),
                "busyNanosecondsPerSecond": JSONValue(model.busyNanosecondsPerSecond),
            ]
            simulation["lifetime"] = model.lifetime.map { JSONValue($0) }
            object["simulation"] = .object(simulation)
        }
        return .object(object)
    }

    static func specification(_ value: JSONValue, id: String) throws(StoreError) -> VMSpecification {
        guard let vpCount = value["vpCount"]?.uint64, vpCount <= 4096, let memorySize = value["memorySize"]?.uint64,
            let boot = value["boot"], let kernel = boot["kernel"]?.string,
            let labels = value["labels"]?.object
        else { throw StoreError(.corrupt, "the specification of VM \(id) in the state store lacks a member") }
        var specification = VMSpecification()
        specification.id = id
        specification.vpCount = Int(vpCount)
        specification.vpMaximum = value["vpMaximum"]?.uint64.map { Int(clamping: $0) }
        specification.memorySize = memorySize
        specification.memoryMaximum = value["memoryMaximum"]?.uint64
        specification.kernel = kernel
        specification.initrd = boot["initrd"]?.string
        specification.commandLine = boot["commandLine"]?.string ?? ""
        specification.bootFormat = boot["format"]?.string ?? "auto"
        specification.loadAddress = boot["loadAddress"]?.uint64
        for member in labels.members { specification.labels[member.name] = member.value.string ?? "" }
        do {
            specification.disks = try DiskSource.list(value["disks"])
        } catch {
            throw StoreError(.corrupt, "the disks of VM \(id) in the state store can't be read: \(error)")
        }
        do {
            specification.placement = try Placement(value["placement"])
        } catch {
            throw StoreError(.corrupt, "the placement of VM \(id) in the state store can't be read: \(error)")
        }
        specification.withheldFeatures = WithheldFeatures(value["withheldFeatures"])
        specification.cloudInit = CloudInit(value["cloudInit"])
        do {
            specification.networkInterfaces = try NetworkSource.list(value["networkInterfaces"])
        } catch {
            throw StoreError(.corrupt, "the network interfaces of VM \(id) in the state store can't be read: \(error)")
        }
        do {
            specification.deviceSettings = try DeviceSettings(value["devices"])
        } catch {
            throw StoreError(.corrupt, "the devices of VM \(id) in the state store can't be read: \(error)")
        }
        if let restart = value["restart"] {
            guard let policy = RestartPolicy(restart) else {
                throw StoreError(.corrupt, "the restart policy of VM \(id) in the state store is none")
            }
            specification.restart = policy
        }
        specification.dumpsCore = value["dumpsCore"]?.bool ?? false
        if let simulation = value["simulation"] {
            var model = SimulationModel()
            model.seed = simulation["seed"]?.uint64 ?? model.seed
            model.bootTime = simulation["bootTime"]?.uint64 ?? model.bootTime
            model.banner = simulation["banner"]?.string ?? model.banner
            model.busyNanosecondsPerSecond =
                simulation["busyNanosecondsPerSecond"]?.uint64 ?? model.busyNanosecondsPerSecond
            model.lifetime = simulation["lifetime"]?.uint64
            specification.simulation = model
        }
        return specification
    }

    // MARK: Reasons and errors

    static func encode(_ reason: StateReason) -> JSONValue {
        var object: JSONObject = ["code": .string(reason.code), "message": .string(reason.message)]
        object["signal"] = reason.signal.map { JSONValue($0) }
        object["exitStatus"] = reason.exitStatus.map { JSONValue($0) }
        if !reason.lastLogLines.isEmpty {
            object["lastLogLines"] = .array(reason.lastLogLines.map { .string($0) })
        }
        object["coreDump"] = reason.coreDump.map(JSONValue.string)
        return .object(object)
    }

    static func reason(_ value: JSONValue) -> StateReason {
        var reason = StateReason(code: value["code"]?.string ?? "", message: value["message"]?.string ?? "")
        reason.signal = value["signal"]?.int64.flatMap { Int32(exactly: $0) }
        reason.exitStatus = value["exitStatus"]?.int64.flatMap { Int32(exactly: $0) }
        reason.lastLogLines = (value["lastLogLines"]?.array ?? []).compactMap(\.string)
        reason.coreDump = value["coreDump"]?.string
        return reason
    }

    static func encode(_ error: ServiceError) -> JSONValue {
        var object: JSONObject = ["kind": .string(error.kind.rawValue), "detail": .string(error.detail)]
        object["field"] = error.field.map(JSONValue.string)
        object["expected"] = error.expected.map(JSONValue.string)
        return .object(object)
    }

    static func error(_ value: JSONValue) -> ServiceError {
        let kind = value["kind"]?.string.flatMap(ServiceError.Kind.init(rawValue:)) ?? .internal
        return ServiceError(
            kind, value["detail"]?.string ?? "", field: value["field"]?.string, expected: value["expected"]?.string)
    }
}
