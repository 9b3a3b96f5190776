import DeviceSources
import JSON
import ManagementService
import PartitionManager

/// A VM's devices of one kind one by one: attached and detached, also while it runs.
struct DeviceHandlers: Sendable {
    private let kind: DeviceKind

    static let disks = DeviceHandlers(kind: .disk)
    static let networkInterfaces = DeviceHandlers(kind: .networkInterface)

    /// Seconds a guest may be given to eject a device.
    private static let maximumDetachTimeout = 86_400.0

    func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let devices = try context.service.vm(request.id).specification.devices(kind)
        return .json(.object([kind.rawValue + "s": .array(devices.map(DeviceOutput.json))]))
    }

    func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        .json(DeviceOutput.json(try context.service.device(name(request), of: request.id)))
    }

    func attach(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let device: DeviceSource =
            switch kind {
            case .disk: .disk(try DiskInput.disk(body))
            case .networkInterface: .networkInterface(try NetworkInput.interface(body))
            }
        return OperationOutput.accepted(try await context.service.attach(device, to: request.id))
    }

    /// A merge patch: the limit as it is to be, by what it was.
    func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let name = name(request)
        let before = try context.service.device(name, of: request.id).limit
        let limit = try DeviceLimitInput.limit(body, kind, before: before)
        return .json(DeviceOutput.json(try await context.service.limit(name, of: request.id, limit)))
    }

    func detach(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let force = try request.query.bool("force") ?? false
        let timeout = try request.query.seconds("timeout", upTo: Self.maximumDetachTimeout)
        return OperationOutput.accepted(
            try await context.service.detach(name(request), of: request.id, force: force, timeout: timeout))
    }

    private func name(_ request: Request) -> DeviceName { DeviceName(kind, request.item) }
}

/// How the API shows a device.
enum DeviceOutput {
    static func json(_ device: DeviceSource) -> JSONValue {
        switch device {
        case .disk(let disk): DiskOutput.json(disk)
        case .networkInterface(let interface): NetworkOutput.json(interface)
        }
    }
}

/// Reads a change of a device's limit.
enum DeviceLimitInput {
    /// - Parameter before: what members that are not there leave as it is.
    static func limit(_ body: JSONValue, _ kind: DeviceKind, before: DeviceLimit?) throws -> DeviceLimit? {
        let (own, known) =
            switch kind {
            case .disk: (DiskInput.fields, DiskInput.rateLimitFields)
            case .networkInterface: (NetworkInput.fields, NetworkInput.rateLimitFields)
            }
        let device = try JSONFields(body, known: ["rateLimit"], readOnly: own)
        guard device.has("rateLimit") else { return before }
        if device.isNull("rateLimit") { return nil }
        guard let limit = try device.fields("rateLimit", known: known) else { return before }
        func number(_ name: String, _ before: UInt64?) throws -> UInt64? {
            guard limit.has(name) else { return before }
            return limit.isNull(name) ? nil : try limit.wholeNumber(name)
        }
        return DeviceLimit(
            bytesPerSecond: try number(known[0], before?.bytesPerSecond),
            operationsPerSecond: try number(known[1], before?.operationsPerSecond))
    }
}
