import HostInventory
import JSON
import ManagementService
import PartitionManager

/// The devices of the node.
enum HostDeviceHandlers {
    static func list(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let devices = context.service.hostDevices()
        return .json([
            "devices": .array(devices.functions.map(HostDeviceOutput.json)),
            "mediatedDevices": .array(devices.mediated.map(HostDeviceOutput.json)),
        ])
    }

    static func get(_ request: Request, _ context: HandlerContext) async throws -> Response {
        guard let address = PCIAddress(request.id) else {
            throw ServiceError(
                .notFound, "There is no device '\(request.id)': a PCI function is named by its address.",
                expected: "such as 0000:3b:00.0")
        }
        guard let function = context.service.hostDevices().functions.first(where: { $0.address == address }) else {
            throw ServiceError(.notFound, "There is no PCI function \(address) on this host.")
        }
        return .json(HostDeviceOutput.json(function))
    }
}

/// How the API shows the node's devices. Members that do not apply are left out.
enum HostDeviceOutput {
    static func json(_ device: PCIFunction) -> JSONValue {
        let identity = device.identity
        var object: JSONObject = [
            "address": text(device.address), "vendorId": .string(hexadecimal(identity.vendor, 4)),
            "deviceId": .string(hexadecimal(identity.device, 4)),
            "subsystemVendorId": .string(hexadecimal(identity.subsystemVendor, 4)),
            "subsystemDeviceId": .string(hexadecimal(identity.subsystemDevice, 4)),
            "revision": .string(hexadecimal(identity.revision, 2)),
            "classCode": .string(hexadecimal(identity.classCode, 6)), "bridge": .bool(device.isBridge),
            "resetMethods": .array(device.resetMethods.map(JSONValue.string)),
            "bars": .array(device.bars.map(json)),
            "interrupts": [
                "msiVectors": JSONValue(device.capabilities.msiVectors),
                "msixVectors": JSONValue(device.capabilities.msixVectors),
            ],
            "networkInterfaces": .array(device.networkInterfaces.map(JSONValue.string)),
            "blockDevices": .array(device.blockDevices.map(JSONValue.string)),
        ]
        object["vendor"] = device.names.vendor.map(JSONValue.string)
        object["device"] = device.names.device.map(JSONValue.string)
        object["class"] = device.names.deviceClass.map(JSONValue.string)
        object["driver"] = device.driver.map(JSONValue.string)
        object["driverOverride"] = device.driverOverride.map(JSONValue.string)
        object["iommuGroup"] = device.iommuGroup.map { group in
            ["id": JSONValue(group.id), "members": .array(group.members.map(text))]
        }
        object["numaNode"] = device.numaNode.map { JSONValue($0) }
        object["virtualFunctions"] = device.virtualFunctions.map { virtual in
            ["total": JSONValue(virtual.total), "functions": .array(virtual.functions.map(text))]
        }
        object["physicalFunction"] = device.physicalFunction.map(text)
        object["romBytes"] = device.romSize.map { JSONValue($0) }
        object["link"] = device.link.map(json)
        return .object(object)
    }

    static func json(_ device: MediatedDevice) -> JSONValue {
        var object: JSONObject = [
            "id": .string(device.id), "parent": .string(device.parent), "type": .string(device.type),
        ]
        object["iommuGroup"] = device.iommuGroup.map { JSONValue($0) }
        return .object(object)
    }

    private static func json(_ bar: PCIFunction.BAR) -> JSONValue {
        [
            "index": JSONValue(bar.index), "kind": .string(bar.kind.rawValue), "sizeBytes": JSONValue(bar.size),
            "prefetchable": .bool(bar.isPrefetchable),
        ]
    }

    private static func json(_ link: PCIFunction.Link) -> JSONValue {
        var object = JSONObject()
        object["speed"] = link.speed.map(JSONValue.string)
        object["width"] = link.width.map { JSONValue($0) }
        object["maximumSpeed"] = link.maximumSpeed.map(JSONValue.string)
        object["maximumWidth"] = link.maximumWidth.map { JSONValue($0) }
        return .object(object)
    }

    private static func text(_ address: PCIAddress) -> JSONValue { .string(address.description) }
}
