import DeviceSettings
import Hypervisor
import JSON
import LinuxSystem
import ManagementService
import PartitionManager
import WorkerProtocol

/// How the API shows a VM. Members that do not apply are left out.
enum VMOutput {
    /// Members that a client can see and not set.
    static let readOnlyFields = [
        "state", "stateReason", "partitionId", "hypervisor", "emulated", "simulated", "createdAt", "updatedAt",
        "startedAt", "uptimeSeconds", "processId", "revision", "operation",
    ]

    static func json(_ vm: VMResource) -> JSONValue {
        var object: JSONObject = [
            "id": .string(vm.id), "state": .string(vm.state.rawValue), "stateReason": reason(vm.stateReason),
        ]
        if let partition = vm.partitionID { object["partitionId"] = JSONValue(partition) }
        object["hypervisor"] = .string(vm.hypervisor.kind.rawValue)
        object["emulated"] = .bool(vm.hypervisor.isEmulated)
        object["simulated"] = .bool(vm.hypervisor.isSimulated)
        let specification = vm.specification
        var vps: JSONObject = ["count": JSONValue(specification.vpCount)]
        vps["maximum"] = specification.vpMaximum.map { JSONValue($0) }
        vps["present"] = vm.presentVPs.map { JSONValue($0) }
        object["vps"] = .object(vps)
        var memory: JSONObject = [
            "size": .string(ByteSize.text(specification.memorySize)), "bytes": JSONValue(specification.memorySize),
        ]
        memory["maximum"] = specification.memoryMaximum.map { .string(ByteSize.text($0)) }
        memory["balloon"] = specification.deviceSettings.balloon.map { DevicesOutput.balloon($0, vm.balloon) }
        PlacementOutput.addPages(specification.placement, to: &memory)
        object["memory"] = .object(memory)
        object["placement"] = PlacementOutput.json(specification.placement)
        object["boot"] = boot(specification)
        var labels = JSONObject()
        for (name, value) in specification.labels.sorted(by: { $0.key < $1.key }) { labels[name] = .string(value) }
        object["labels"] = .object(labels)
        if !specification.disks.isEmpty { object["disks"] = .array(specification.disks.map(DiskOutput.json)) }
        if !specification.networkInterfaces.isEmpty {
            object["networkInterfaces"] = .array(specification.networkInterfaces.map(NetworkOutput.json))
        }
        if let cloudInit = specification.cloudInit { object["cloudInit"] = CloudInitOutput.json(cloudInit) }
        object["watchdog"] = specification.deviceSettings.watchdog.map { ["action": .string($0.action.rawValue)] }
        object["vsock"] = specification.deviceSettings.vsock.map { DevicesOutput.vsock($0, socket: vm.vsockSocket) }
        object["console"] = DevicesOutput.console(specification.deviceSettings.console)
        object["restart"] = RestartOutput.json(specification.restart, vm.restarts)
        object["coreDump"] = .bool(specification.dumpsCore)
        if !specification.withheldFeatures.names.isEmpty {
            object["withheldFeatures"] = specification.withheldFeatures.json
        }
        if let model = specification.simulation { object["simulation"] = simulation(model) }
        object["createdAt"] = .string(rfc3339(vm.createdAt))
        object["updatedAt"] = .string(rfc3339(vm.updatedAt))
        if let startedAt = vm.startedAt {
            object["startedAt"] = .string(rfc3339(startedAt))
            let now = realtimeNanoseconds()
            // The host's clock can be set back.
            let uptime = now > startedAt ? now - startedAt : 0
            object["uptimeSeconds"] = .number(Double(uptime / 1_000_000) / 1000)
        }
        if let process = vm.processID { object["processId"] = JSONValue(process) }
        object["revision"] = JSONValue(vm.revision)
        if let operation = vm.operationID { object["operation"] = .string(operation) }
        return .object(object)
    }

    /// The ETag of a VM: its revision as a strong tag.
    static func entityTag(_ vm: VMResource) -> String { "\"\(vm.revision)\"" }

    private static func reason(_ reason: StateReason) -> JSONValue {
        var object: JSONObject = ["code": .string(reason.code), "message": .string(reason.message)]
        if let signal = reason.signal { object["signal"] = JSONValue(signal) }
        if let status = reason.exitStatus { object["exitStatus"] = JSONValue(status) }
        if !reason.lastLogLines.isEmpty {
            object["lastLogLines"] = .array(reason.lastLogLines.map(JSONValue.string))
        }
        object["coreDump"] = reason.coreDump.map(JSONValue.string)
        return .object(object)
    }

    private static func boot(_ specification: VMSpecification) -> JSONValue {
        var object: JSONObject = ["kernel": .string(specification.kernel)]
        if let initrd = specification.initrd { object["initrd"] = .string(initrd) }
        object["commandLine"] = .string(specification.commandLine)
        object["format"] = .string(specification.bootFormat)
        if let address = specification.loadAddress { object["loadAddress"] = JSONValue(address) }
        return .object(object)
    }

    private static func simulation(_ model: SimulationModel) -> JSONValue {
        var object: JSONObject = [
            "seed": JSONValue(model.seed), "bootMilliseconds": JSONValue(model.bootTime / 1_000_000),
            "banner": .string(model.banner),
            "busyMillisecondsPerSecond": JSONValue(model.busyNanosecondsPerSecond / 1_000_000),
        ]
        if let lifetime = model.lifetime { object["lifetimeMilliseconds"] = JSONValue(lifetime / 1_000_000) }
        return .object(object)
    }
}
