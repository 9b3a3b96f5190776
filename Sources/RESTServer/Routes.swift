extension Route {
    /// All of the API. `openapi/hvroot.yaml` describes each line, and a test holds the two together.
    static let table: [Route] = [
        Route("GET", "/v1/host", "getHost", .immediate(HostHandlers.get)),
        Route("GET", "/v1/host/devices", "listHostDevices", .deferred(HostDeviceHandlers.list)),
        Route("GET", "/v1/host/devices/{id}", "getHostDevice", .deferred(HostDeviceHandlers.get)),

        Route("GET", "/v1/vms", "listVMs", query: VMHandlers.listQuery, .immediate(VMHandlers.list)),
        Route("POST", "/v1/vms", "createVM", query: ["validateOnly"], body: .json, .deferred(VMHandlers.create)),
        Route("GET", "/v1/vms/{id}", "getVM", .immediate(VMHandlers.get)),
        Route("PATCH", "/v1/vms/{id}", "updateVM", body: .mergePatch, .deferred(VMHandlers.update)),
        Route("DELETE", "/v1/vms/{id}", "deleteVM", query: ["force"], .deferred(VMHandlers.delete)),

        Route("POST", "/v1/vms/{id}:start", "startVM", body: .json, .deferred(VerbHandlers.start)),
        Route("POST", "/v1/vms/{id}:stop", "stopVM", body: .json, .deferred(VerbHandlers.stop)),
        Route(
            "POST", "/v1/vms/{id}:shutdown", "shutdownVM", query: ["timeout"], body: .json,
            .deferred(VerbHandlers.shutdown)),
        Route("POST", "/v1/vms/{id}:pause", "pauseVM", body: .json, .deferred(VerbHandlers.pause)),
        Route("POST", "/v1/vms/{id}:resume", "resumeVM", body: .json, .deferred(VerbHandlers.resume)),
        Route("POST", "/v1/vms/{id}:reset", "resetVM", body: .json, .deferred(VerbHandlers.reset)),

        Route("GET", "/v1/vms/{id}/disks", "listDisks", .immediate(DeviceHandlers.disks.list)),
        Route("POST", "/v1/vms/{id}/disks", "attachDisk", body: .json, .deferred(DeviceHandlers.disks.attach)),
        Route("GET", "/v1/vms/{id}/disks/{diskId}", "getDisk", .immediate(DeviceHandlers.disks.get)),
        Route(
            "PATCH", "/v1/vms/{id}/disks/{diskId}", "updateDisk", body: .mergePatch,
            .deferred(DeviceHandlers.disks.update)),
        Route(
            "DELETE", "/v1/vms/{id}/disks/{diskId}", "detachDisk", query: ["timeout", "force"],
            .deferred(DeviceHandlers.disks.detach)),

        Route(
            "GET", "/v1/vms/{id}/networkInterfaces", "listNetworkInterfaces",
            .immediate(DeviceHandlers.networkInterfaces.list)),
        Route(
            "POST", "/v1/vms/{id}/networkInterfaces", "attachNetworkInterface", body: .json,
            .deferred(DeviceHandlers.networkInterfaces.attach)),
        Route(
            "GET", "/v1/vms/{id}/networkInterfaces/{interfaceId}", "getNetworkInterface",
            .immediate(DeviceHandlers.networkInterfaces.get)),
        Route(
            "PATCH", "/v1/vms/{id}/networkInterfaces/{interfaceId}", "updateNetworkInterface", body: .mergePatch,
            .deferred(DeviceHandlers.networkInterfaces.update)),
        Route(
            "DELETE", "/v1/vms/{id}/networkInterfaces/{interfaceId}", "detachNetworkInterface",
            query: ["timeout", "force"], .deferred(DeviceHandlers.networkInterfaces.detach)),

        Route(
            "GET", "/v1/vms/{id}/console", "readConsole", query: ["offset", "limit"], .deferred(ConsoleHandlers.read)),
        Route("POST", "/v1/vms/{id}/console", "writeConsole", body: .bytes, .deferred(ConsoleHandlers.write)),

        Route("GET", "/v1/images", "listImages", query: StorageHandlers.listQuery, .immediate(ImageHandlers.list)),
        Route("POST", "/v1/images", "importImage", body: .json, .deferred(ImageHandlers.importPath)),
        Route("GET", "/v1/images/{id}", "getImage", .immediate(ImageHandlers.get)),
        Route(
            "PUT", "/v1/images/{id}/content", "uploadImage", query: ImageHandlers.uploadQuery, body: .stream,
            .upload(ImageHandlers.upload)),
        Route("PATCH", "/v1/images/{id}", "updateImage", body: .mergePatch, .deferred(ImageHandlers.update)),
        Route("DELETE", "/v1/images/{id}", "deleteImage", .deferred(ImageHandlers.delete)),

        Route("GET", "/v1/volumes", "listVolumes", query: StorageHandlers.listQuery, .deferred(VolumeHandlers.list)),
        Route("POST", "/v1/volumes", "createVolume", body: .json, .deferred(VolumeHandlers.create)),
        Route("GET", "/v1/volumes/{id}", "getVolume", .deferred(VolumeHandlers.get)),
        Route("PATCH", "/v1/volumes/{id}", "updateVolume", body: .mergePatch, .deferred(VolumeHandlers.update)),
        Route("DELETE", "/v1/volumes/{id}", "deleteVolume", .deferred(VolumeHandlers.delete)),

        Route(
            "GET", "/v1/networks", "listNetworks", query: StorageHandlers.listQuery, .immediate(NetworkHandlers.list)),
        Route("POST", "/v1/networks", "createNetwork", body: .json, .deferred(NetworkHandlers.create)),
        Route("GET", "/v1/networks/{id}", "getNetwork", .immediate(NetworkHandlers.get)),
        Route("PATCH", "/v1/networks/{id}", "updateNetwork", body: .mergePatch, .deferred(NetworkHandlers.update)),
        Route("DELETE", "/v1/networks/{id}", "deleteNetwork", .deferred(NetworkHandlers.delete)),

        Route(
            "GET", "/v1/operations", "listOperations", query: OperationHandlers.listQuery,
            .immediate(OperationHandlers.list)),
        Route("GET", "/v1/operations/{id}", "getOperation", .immediate(OperationHandlers.get)),
        Route(
            "GET", "/v1/operations/{id}:wait", "waitForOperation", query: ["timeout"],
            .deferred(OperationHandlers.wait)),
        Route(
            "POST", "/v1/operations/{id}:wait", "waitForOperationByPost", query: ["timeout"],
            .deferred(OperationHandlers.wait)),

        Route("GET", "/v1/events", "watchEvents", query: EventHandlers.query, .immediate(EventHandlers.get)),

        Route("GET", "/metrics", "getMetrics", .immediate(HostHandlers.metrics)),
        Route("GET", "/healthz", "getHealth", .immediate(HostHandlers.health)),
        Route("GET", "/readyz", "getReadiness", .immediate(HostHandlers.readiness)),
        Route("GET", "/v1/openapi.json", "getOpenAPI", .immediate(HostHandlers.openAPI)),
    ]
}
