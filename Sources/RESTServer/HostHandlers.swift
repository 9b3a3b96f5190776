import HostInventory
import JSON
import LinuxSystem
import ManagementService
import MetricsExposition
import PartitionManager

/// The node itself: what it is, how it is, what the API is.
enum HostHandlers {
    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        .json(HostOutput.json(context.service.host()))
    }

    static func metrics(_ request: Request, _ context: HandlerContext) throws -> Response {
        .text(
            MetricsExposition.text(context.service.metrics(), context.metrics),
            contentType: MetricsExposition.contentType)
    }

    static func health(_ request: Request, _ context: HandlerContext) throws -> Response { .json(["status": "ok"]) }

    static func readiness(_ request: Request, _ context: HandlerContext) throws -> Response {
        guard context.service.isReady else {
            throw ServiceError(.unavailable, "The server is still finding its VMs again or is ending.")
        }
        return .json(["status": "ready"])
    }

    static func openAPI(_ request: Request, _ context: HandlerContext) throws -> Response {
        .text(OpenAPIDocument.json, contentType: "application/json")
    }
}

/// How `GET /v1/host` shows the node.
enum HostOutput {
    static func json(_ host: HostResource) -> JSONValue {
        var object: JSONObject = [
            "hostname": .string(host.hostname), "kernelRelease": .string(host.kernelRelease),
            "version": .string(host.version), "startedAt": .string(rfc3339(host.startedAt)),
            "vmCount": JSONValue(host.vmCount),
        ]
        if let machineID = host.machineID { object["machineId"] = .string(machineID) }
        object["processor"] = ["model": .string(host.processorModel), "count": JSONValue(host.processorCount)]
        object["memory"] = [
            "totalBytes": JSONValue(host.memoryTotal), "availableBytes": JSONValue(host.memoryAvailable),
        ]
        object["hypervisor"] = [
            "kind": .string(host.hypervisor.kind), "detail": .string(host.hypervisor.detail),
            "emulated": .bool(host.hypervisor.isEmulated), "simulated": .bool(host.hypervisor.isSimulated),
            "requested": .string(host.hypervisor.requested), "reason": .string(host.hypervisor.reason),
        ]
        object["mshv"] = mshv(host.mshv)
        object["topology"] = topology(host.topology)
        return .object(object)
    }

    private static func topology(_ topology: HostTopology) -> JSONValue {
        [
            "processors": .string(topology.processors.description),
            "hugePages": .array(topology.hugePages.map(hugePages)),
            "nodes": .array(
                topology.nodes.map { node in
                    [
                        "id": JSONValue(node.id), "processors": .string(node.processors.description),
                        "memoryTotalBytes": JSONValue(node.memoryTotal), "memoryFreeBytes": JSONValue(node.memoryFree),
                        "hugePages": .array(node.hugePages.map(hugePages)),
                        "distances": .array(node.distances.map { JSONValue($0) }),
                    ]
                }),
        ]
    }

    private static func hugePages(_ pool: HostTopology.HugePages) -> JSONValue {
        ["pageSizeBytes": JSONValue(pool.pageSize), "total": JSONValue(pool.total), "free": JSONValue(pool.free)]
    }

    private static func mshv(_ mshv: MshvResource) -> JSONValue {
        var object: JSONObject = [
            "role": .string(mshv.role), "nested": .bool(mshv.isNested), "device": .string(mshv.device),
            "driver": .string(mshv.driver), "scheduler": .string(mshv.scheduler),
        ]
        if let vendor = mshv.vendor { object["vendor"] = .string(vendor) }
        if let version = mshv.version { object["version"] = .string(version) }
        if let maximum = mshv.maximumVPs { object["maximumVps"] = JSONValue(UInt64(maximum)) }
        if let detail = mshv.deviceDetail { object["deviceDetail"] = .string(detail) }
        return .object(object)
    }
}
