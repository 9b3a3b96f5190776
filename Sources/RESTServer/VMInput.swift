import DeviceSettings
import Hypervisor
import JSON
import ManagementService
import NetworkBackends
import PartitionManager

/// Reads a VM as a client writes it. Types and names are checked here; what values make sense is the service's to say.
enum VMInput {
    static let fields = [
        "id", "vps", "memory", "boot", "labels", "disks", "networkInterfaces", "cloudInit", "restart", "coreDump",
        "placement", "withheldFeatures",
        "watchdog", "vsock", "console", "simulation",
    ]
    static let vpsFields = ["count", "maximum"]
    static let memoryFields = ["size", "maximum", "pages", "prefault", "balloon"]
    static let bootFields = ["kernel", "initrd", "commandLine", "format", "loadAddress"]
    static let simulationFields = [
        "seed", "bootMilliseconds", "banner", "busyMillisecondsPerSecond", "lifetimeMilliseconds",
    ]
    static let patchFields = [
        "vps", "memory", "boot", "labels", "disks", "networkInterfaces", "cloudInit", "restart", "coreDump",
        "watchdog", "vsock", "console",
        "placement", "withheldFeatures",
    ]

    /// The body of `POST /v1/vms`.
    static func specification(_ body: JSONValue) throws -> VMSpecification {
        let vm = try JSONFields(body, known: fields, readOnly: VMOutput.readOnlyFields)
        var result = VMSpecification()
        result.id = try vm.string("id")
        if let vps = try vm.fields("vps", known: vpsFields, readOnly: ["present"]) {
            result.vpCount = try vps.int("count") ?? result.vpCount
            result.vpMaximum = try vps.int("maximum")
        }
        let memory = try vm.fields("memory", known: memoryFields, readOnly: ["bytes"])
        if let memory {
            result.memorySize = try byteSize(memory, "size") ?? result.memorySize
            result.memoryMaximum = try byteSize(memory, "maximum")
        }
        if let placement = try PlacementInput.patch(vm, memory: memory) { result.placement.apply(placement) }
        guard let boot = try vm.fields("boot", known: bootFields) else {
            throw missing("/boot", "{\"kernel\": PATH}")
        }
        guard let kernel = try boot.string("kernel") else {
            throw missing("/boot/kernel", "a path on the host, or builtin:demo")
        }
        result.kernel = kernel
        result.initrd = try boot.string("initrd")
        result.commandLine = try boot.string("commandLine") ?? result.commandLine
        result.bootFormat = try boot.string("format") ?? result.bootFormat
        result.loadAddress = try boot.wholeNumber("loadAddress")
        for (name, value) in try labels(vm, allowsNull: false) ?? [:] { result.labels[name] = value }
        result.disks = try DiskInput.disks(vm) ?? []
        result.cloudInit = try CloudInitInput.cloudInit(vm)
        result.networkInterfaces = try NetworkInput.networkInterfaces(vm) ?? []
        if let restart = try RestartInput.patch(vm) { result.restart.apply(restart) }
        result.dumpsCore = try vm.flag("coreDump") ?? result.dumpsCore
        try DevicesInput.patch(vm, memory: memory).apply(to: &result.deviceSettings)
        result.withheldFeatures = try WithheldFeaturesInput.features(vm) ?? result.withheldFeatures
        if let simulation = try vm.fields("simulation", known: simulationFields) {
            result.simulation = try self.simulation(simulation)
        }
        return result
    }

    /// The body of `PATCH /v1/vms/{id}`, an RFC 7396 merge patch: null takes a member away, so that its default holds.
    static func patch(_ body: JSONValue) throws -> VMPatch {
        let vm = try JSONFields(body, known: patchFields, readOnly: VMOutput.readOnlyFields + ["id", "simulation"])
        var result = VMPatch()
        if let vps = try vm.fields("vps", known: vpsFields, readOnly: ["present"]) {
            result.vpCount = try vps.int("count")
            if vps.has("maximum") {
                result.vpMaximum = .some(vps.isNull("maximum") ? nil : try vps.int("maximum"))
            }
        }
        let memory = try vm.fields("memory", known: memoryFields, readOnly: ["bytes"])
        result.placement = try PlacementInput.patch(vm, memory: memory)
        if let memory {
            result.memorySize = try byteSize(memory, "size")
            if memory.has("maximum") {
                result.memoryMaximum = .some(memory.isNull("maximum") ? nil : try byteSize(memory, "maximum"))
            }
        }
        if let boot = try vm.fields("boot", known: bootFields) {
            result.kernel = try boot.string("kernel")
            result.commandLine = boot.isNull("commandLine") ? "" : try boot.string("commandLine")
            result.bootFormat = boot.isNull("format") ? "auto" : try boot.string("format")
            if boot.has("initrd") {
                result.initrd = .some(boot.isNull("initrd") ? nil : try boot.string("initrd"))
            }
            if boot.has("loadAddress") {
                result.loadAddress = .some(boot.isNull("loadAddress") ? nil : try boot.wholeNumber("loadAddress"))
            }
        }
        result.labels = try labels(vm, allowsNull: true)
        result.disks = vm.isNull("disks") ? [] : try DiskInput.disks(vm)
        if vm.has("cloudInit") {
            result.cloudInit = .some(vm.isNull("cloudInit") ? nil : try CloudInitInput.cloudInit(vm))
        }
        result.networkInterfaces = vm.isNull("networkInterfaces") ? [] : try NetworkInput.networkInterfaces(vm)
        result.restart = try RestartInput.patch(vm)
        result.withheldFeatures = try WithheldFeaturesInput.features(vm)
        result.dumpsCore = vm.isNull("coreDump") ? false : try vm.flag("coreDump")
        result.devices = try DevicesInput.patch(
            vm, memory: try vm.fields("memory", known: memoryFields, readOnly: ["bytes"]))
        return result
    }

    static func labels(_ vm: JSONFields, allowsNull: Bool) throws -> [String: String?]? {
        guard let value = vm.value("labels") else { return nil }
        guard let object = value.object else { throw JSONFields.wrongType("/labels", "an object of strings", value) }
        var result: [String: String?] = [:]
        for (name, value) in object.members {
            switch value {
            case .string(let text): result[name] = .some(text)
            case .null where allowsNull: result[name] = .some(nil)
            default: throw JSONFields.wrongType(JSONFields.place("/labels", name), "a string", value)
            }
        }
        return result
    }

    static func byteSize(_ fields: JSONFields, _ name: String) throws -> UInt64? {
        guard let value = fields.value(name) else { return nil }
        let place = fields.pointer(to: name)
        switch value {
        case .string(let text):
            guard let bytes = ByteSize.parse(text) else {
                throw ServiceError(
                    .invalidArgument, "The field '\(place)' is '\(text)', which is no size.", field: place,
                    expected: ByteSize.expected)
            }
            return bytes
        default:
            guard let bytes = value.uint64 else { throw JSONFields.wrongType(place, ByteSize.expected, value) }
            return bytes
        }
    }

    private static func simulation(_ fields: JSONFields) throws -> SimulationModel {
        var model = SimulationModel()
        if let seed = try fields.wholeNumber("seed") { model.seed = seed }
        if let banner = try fields.string("banner") { model.banner = banner }
        if let time = try nanoseconds(fields, "bootMilliseconds") { model.bootTime = time }
        if let time = try nanoseconds(fields, "busyMillisecondsPerSecond", limit: 1000) {
            model.busyNanosecondsPerSecond = time
        }
        model.lifetime = try nanoseconds(fields, "lifetimeMilliseconds")
        return model
    }

    /// Milliseconds in the request, up to a thousand days, so that sums of them never come near 64 bits.
    private static func nanoseconds(
        _ fields: JSONFields, _ name: String, limit: UInt64 = 86_400_000_000
    ) throws -> UInt64? {
        guard let milliseconds = try fields.wholeNumber(name) else { return nil }
        guard milliseconds <= limit else {
            throw ServiceError(
                .invalidArgument, "The field '\(fields.pointer(to: name))' is \(milliseconds), which is too large.",
                field: fields.pointer(to: name), expected: "0...\(limit)")
        }
        return milliseconds * 1_000_000
    }

    static func missing(_ place: String, _ expected: String) -> ServiceError {
        ServiceError(.invalidArgument, "The field '\(place)' is missing.", field: place, expected: expected)
    }
}
