import BlockStorage
import DeviceSettings
import DeviceSources
import GuestMemory
import HostInventory
import Hypervisor
import JSON
import LinuxSystem
import ManagementService
import NetworkBackends
import PartitionManager
import Testing
import VirtualNetworks
import WorkerProtocol

@testable import RESTServer

/// Holds the server and `openapi/hvroot.yaml` to each other.
@Suite struct OpenAPITests {
    let document: JSONValue

    init() throws { document = try JSONValue.parse(Array(OpenAPIDocument.json.utf8), maximumDepth: 64) }

    private func schema(_ name: String) -> JSONValue? { document["components"]?["schemas"]?[name] }

    private func properties(_ schema: JSONValue?) -> Set<String> {
        Set(schema?["properties"]?.object?.names ?? [])
    }

    /// Follows one `$ref` of this document.
    private func resolved(_ value: JSONValue) -> JSONValue {
        guard let reference = value["$ref"]?.string else { return value }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] ?? .null }
    }

    @Test func everyRouteIsDescribedAndTheOtherWayRound() throws {
        struct Line: Hashable, CustomStringConvertible {
            var method: String
            var path: String
            var operationID: String
            var query: Set<String>
            var description: String { "\(method) \(path) \(operationID) \(query.sorted())" }
        }
        var described: Set<Line> = []
        for (path, item) in try #require(document["paths"]?.object).members {
            for (method, operation) in item.object?.members ?? [] where method != "parameters" {
                let parameters = (item["parameters"]?.array ?? []) + (operation["parameters"]?.array ?? [])
                let query = parameters.map(resolved).filter { $0["in"]?.string == "query" }
                described.insert(
                    Line(
                        method: method.uppercased(), path: path, operationID: operation["operationId"]?.string ?? "",
                        query: Set(query.compactMap { $0["name"]?.string })))
                // A body is described where one is read.
                let route = Route.table.first { $0.method == method.uppercased() && $0.template == path }
                let readsBody = route.map { if case .none = $0.body { false } else { true } }
                #expect((operation["requestBody"] != nil) == readsBody, "\(method) \(path)")
                #expect(operation["responses"]?["4XX"] != nil, "\(method) \(path)")
            }
        }
        let served = Set(
            Route.table.map {
                Line(method: $0.method, path: $0.template, operationID: $0.operationID, query: Set($0.query))
            })
        #expect(served.count == Route.table.count)
        #expect(served.subtracting(described).isEmpty, "served and not described")
        #expect(described.subtracting(served).isEmpty, "described and not served")
    }

    @Test func everyReferenceLeadsSomewhere() {
        func visit(_ value: JSONValue) {
            if let reference = value["$ref"]?.string { #expect(!resolved(value).isNull, "\(reference)") }
            for member in value.object?.members ?? [] { visit(member.value) }
            for element in value.array ?? [] { visit(element) }
        }
        visit(document)
    }

    /// Compares an answer in which every member is present with its schema, down to the last object.
    private func expectSame(_ value: JSONValue, _ schema: JSONValue, at place: String) {
        let schema = resolved(schema)
        if let object = value.object, schema["properties"] != nil {
            #expect(Set(object.names) == properties(schema), "\(place)")
            #expect(schema["additionalProperties"]?.bool == false, "\(place)")
            for member in object.members {
                expectSame(member.value, schema["properties"]?[member.name] ?? .null, at: "\(place)/\(member.name)")
            }
        } else if let first = value.array?.first {
            expectSame(first, schema["items"] ?? .null, at: "\(place)/0")
        } else if let allowed = schema["enum"]?.array {
            #expect(allowed.contains(value), "\(place)")
        }
    }

    private var fullVM: VMResource {
        var specification = VMSpecification()
        specification.initrd = "/i"
        specification.kernel = "/k"
        specification.loadAddress = 0x1000
        specification.vpMaximum = 4
        specification.withheldFeatures = WithheldFeatures(["rng": ["VIRTIO_F_EVENT_IDX"]])
        specification.placement.processors = IndexList([0, 1])
        specification.placement.vps = [0: IndexList([1])]
        specification.placement.memory.nodes = IndexList([0])
        specification.memoryMaximum = 1 << 40
        specification.labels = ["team": "a"]
        specification.disks = [
            DiskSource(
                id: "root", path: "/d", format: .qcow2, serial: "s", backing: "/b",
                rateLimit: .init(bytesPerSecond: 1, operationsPerSecond: 2))
        ]
        specification.cloudInit = CloudInit(userData: "u", metaData: "m", networkConfig: "n", vendorData: "v")
        var interface = NetworkSource(
            id: "net0", mac: MACAddress([2, 0, 0, 0, 0, 1]), tap: .init(name: "t0", bridge: "br0"))
        interface.mtu = 1500
        interface.queues = 2
        interface.rateLimit = .init(bytesPerSecond: 1, packetsPerSecond: 2)
        var user = NetworkSource(id: "net1")
        user.user = .init(forwards: [.init(.tcp, hostPort: 2222, guestPort: 22)])
        specification.networkInterfaces = [interface, user]
        var balloon = BalloonSettings()
        balloon.target = 1 << 24
        specification.deviceSettings.balloon = balloon
        specification.deviceSettings.watchdog = WatchdogSettings()
        specification.deviceSettings.vsock = VsockSettings(cid: 3)
        specification.deviceSettings.console = ConsoleSettings(kind: .virtio, size: .init(columns: 80, rows: 25))
        var model = SimulationModel()
        model.lifetime = 1_000_000_000
        specification.simulation = model
        var reason = StateReason(code: "worker-killed", message: "The worker was killed.")
        reason.signal = 9
        reason.exitStatus = 1
        reason.lastLogLines = ["last words"]
        reason.coreDump = "/c"
        var resource = VMResource(
            specification: specification, id: "a", state: .failed, stateReason: reason, partitionID: 7,
            hypervisor: FakeService.hypervisor, createdAt: 1, updatedAt: 2, startedAt: 3, processID: 4, revision: 5,
            operationID: "op")
        resource.restarts = RestartState(count: 1, next: 2)
        resource.presentVPs = 2
        var told = BalloonCounters()
        told.toldAt = 1
        for value in BalloonCounters.Value.allCases { told.values[value] = 1 }
        resource.balloon = told
        resource.vsockSocket = "/s"
        return resource
    }

    @Test func answersHaveTheFieldsOfTheirSchemas() throws {
        var vm = try #require(VMOutput.json(fullVM).object)
        // A disk has either a path or a volume: here it has both.
        var volumeDisk = fullVM.specification.disks[0]
        volumeDisk.volume = "v"
        var disk = try #require(DiskOutput.json(fullVM.specification.disks[0]).object)
        #expect(disk["volume"] == nil)
        disk["volume"] = DiskOutput.json(volumeDisk)["volume"]
        vm["disks"] = .array([.object(disk)])
        // And an interface a tap, a network or a process of user mode.
        var inNetwork = fullVM.specification.networkInterfaces[0]
        (inNetwork.network, inNetwork.address) = ("default", IPv4Address("10.9.0.2"))
        var interface = try #require(NetworkOutput.json(fullVM.specification.networkInterfaces[0]).object)
        #expect(interface["network"] == nil && interface["addresses"] == nil)
        for name in ["network", "addresses"] { interface[name] = NetworkOutput.json(inNetwork)[name] }
        #expect(NetworkOutput.json(inNetwork)["tap"] == nil)
        let user = NetworkOutput.json(fullVM.specification.networkInterfaces[1])
        #expect(interface["user"] == nil && user["tap"] == nil && user["network"] == nil)
        interface["user"] = user["user"]
        vm["networkInterfaces"] = .array([.object(interface)])
        expectSame(.object(vm), try #require(schema("VM")), at: "VM")
        let image = FakeStorage.image(ImageRequest(id: "i", labels: ["a": "b"]), bytes: 512)
        expectSame(ImageOutput.json(image), try #require(schema("Image")), at: "Image")
        let volume = VolumeResource(
            id: "v", format: .raw, size: 512, image: "i", method: .fullCopy, backingFile: nil, labels: ["a": "b"],
            file: "f", createdAt: 1, updatedAt: 2, revision: 3)
        let status = VolumeStatus(volume: volume, bytesOnDisk: 4, users: ["a"])
        expectSame(VolumeOutput.json(status), try #require(schema("Volume")), at: "Volume")
        var network = try #require(NetworkResourceOutput.json(FakeService.network("n")).object)
        var onInterface = FakeService.network("n")
        onInterface.network.definition.mode = .macvtap
        #expect(network["parent"] == nil && NetworkResourceOutput.json(onInterface)["bridge"] == nil)
        network["parent"] = NetworkResourceOutput.json(onInterface)["parent"]
        expectSame(.object(network), try #require(schema("Network")), at: "Network")
        expectSame(HostOutput.json(FakeService().host()), try #require(schema("Host")), at: "Host")
        let devices = FakeService().hostDevices()
        let device = HostDeviceOutput.json(try #require(devices.functions.first))
        expectSame(device, try #require(schema("HostDevice")), at: "HostDevice")
        let mediated = HostDeviceOutput.json(try #require(devices.mediated.first))
        expectSame(mediated, try #require(schema("MediatedDevice")), at: "MediatedDevice")
        let error = ServiceError(.internal, "x", field: "/y", expected: "z")
        var operation = OperationResource(
            id: "op", verb: .attachDisk, vmID: "a", status: .failed, error: error, createdAt: 1, endedAt: 2)
        operation.device = .disk("d")
        (operation.imageID, operation.volumeID) = ("i", "v")
        let shown = OperationOutput.json(operation)
        var problem = try #require(shown["error"]?.object)
        problem["instance"] = "/v1/x"
        var blocked = error
        blocked.blockers = [.init(field: "/y", detail: "x", expected: "z")]
        problem["blockers"] = Problem(blocked).json(instance: nil)["blockers"]
        var whole = try #require(shown.object)
        whole["error"] = .object(problem)
        // It is about one device only.
        operation = OperationResource(
            id: "op", verb: .detachNetworkInterface, vmID: "a", status: .failed, error: nil, createdAt: 1, endedAt: 2)
        operation.device = .networkInterface("n")
        #expect(OperationOutput.json(operation)["disk"] == nil)
        whole["networkInterface"] = OperationOutput.json(operation)["networkInterface"]
        expectSame(.object(whole), try #require(schema("Operation")), at: "Operation")
        let details: JSONObject = [
            "state": "running", "previousState": "starting", "reason": "requested", "restartAt": "x",
            "operationId": "op", "verb": "start",
            "status": "succeeded", "disk": "d", "networkInterface": "n", "image": "i", "volume": "v",
            "network": "n", "action": "reset",
        ]
        let event = EventRecord(sequence: 1, time: 2, type: "vm.state-changed", vmID: "a", details: details)
        expectSame(EventOutput.json(event), try #require(schema("Event")), at: "Event")
    }

    @Test func requestsHaveTheFieldsOfTheirSchemas() {
        let specification = schema("VMSpecification")
        #expect(properties(specification) == Set(VMInput.fields))
        #expect(properties(schema("VPs")) == Set(VMInput.vpsFields))
        #expect(properties(specification?["properties"]?["memory"]) == Set(VMInput.memoryFields))
        #expect(properties(schema("Placement")) == Set(PlacementInput.fields))
        #expect(properties(schema("Balloon")) == Set(DevicesInput.balloonFields))
        #expect(properties(schema("Watchdog")) == Set(DevicesInput.watchdogFields))
        #expect(properties(schema("Vsock")) == Set(DevicesInput.vsockFields))
        #expect(properties(schema("ConsoleSettings")) == Set(DevicesInput.consoleFields))
        #expect(properties(schema("Boot")) == Set(VMInput.bootFields))
        #expect(properties(schema("Simulation")) == Set(VMInput.simulationFields))
        #expect(properties(schema("Disk")) == Set(DiskInput.fields))
        #expect(properties(schema("RateLimit")) == Set(DiskInput.rateLimitFields))
        let diskPatch = schema("DiskPatch")?["properties"]?["rateLimit"]
        #expect(properties(diskPatch) == Set(DiskInput.rateLimitFields))
        let interfacePatch = schema("NetworkInterfacePatch")?["properties"]?["rateLimit"]
        #expect(properties(interfacePatch) == Set(NetworkInput.rateLimitFields))
        #expect(properties(schema("CloudInit")) == Set(CloudInitInput.fields))
        #expect(properties(schema("CloudInitSizes")) == Set(CloudInitOutput.fields))
        #expect(properties(schema("ImageImport")) == Set(ImageHandlers.fields))
        #expect(properties(schema("ImagePatch")) == Set(ImageHandlers.patchFields))
        // The path from which it was copied means nothing afterwards.
        let imageFields = Set(ImageHandlers.fields + ImageHandlers.readOnlyFields).subtracting(["path"])
        #expect(properties(schema("Image")) == imageFields)
        #expect(properties(schema("VolumeSpecification")) == Set(VolumeHandlers.fields))
        #expect(properties(schema("VolumePatch")) == Set(VolumeHandlers.patchFields))
        #expect(properties(schema("Volume")) == Set(VolumeHandlers.fields + VolumeHandlers.readOnlyFields))
        #expect(properties(schema("NetworkInterface")) == Set(NetworkInput.fields + NetworkInput.readOnlyFields))
        #expect(properties(schema("NetworkSpecification")) == Set(NetworkHandlers.fields))
        #expect(properties(schema("NetworkRange")) == Set(NetworkHandlers.dhcpFields))
        #expect(properties(schema("NetworkPatch")) == Set(NetworkHandlers.patchFields))
        #expect(properties(schema("Network")) == Set(NetworkHandlers.fields + NetworkHandlers.readOnlyFields))
        #expect(properties(schema("Tap")) == Set(NetworkInput.tapFields))
        #expect(properties(schema("UserNetwork")) == Set(NetworkInput.userFields))
        #expect(properties(schema("PortForward")) == Set(NetworkInput.forwardFields))
        #expect(properties(schema("NetworkRateLimit")) == Set(NetworkInput.rateLimitFields))
        let patch = schema("VMPatch")
        #expect(properties(patch) == Set(VMInput.patchFields))
        #expect(properties(patch?["properties"]?["boot"]) == Set(VMInput.bootFields))
        #expect(properties(schema("VM")) == Set(VMInput.fields + VMOutput.readOnlyFields))
    }

    @Test func wordsAreTheSame() {
        func words(_ schema: JSONValue?) -> Set<String> { Set(schema?["enum"]?.array?.compactMap(\.string) ?? []) }
        let disk = schema("Disk")?["properties"]
        #expect(words(disk?["format"]) == Set(DiskSource.Format.allCases.map(\.rawValue)))
        #expect(words(disk?["cache"]) == Set(DiskSource.Cache.allCases.map(\.rawValue)))
        #expect(words(schema("VolumeMethod")) == Set(VolumeResource.Method.allCases.map(\.rawValue)))
        #expect(words(schema("NetworkMode")) == Set(NetworkDefinition.Mode.allCases.map(\.rawValue)))
        let networkStates = schema("Network")?["properties"]?["status"]?["properties"]?["state"]
        #expect(words(networkStates) == Set(NetworkStatus.State.allCases.map(\.rawValue)))
        for name in ["Image", "ImageImport", "Volume"] {
            let format = schema(name)?["properties"]?["format"]
            #expect(words(format) == Set(DiskSource.Format.allCases.map(\.rawValue)), "\(name)")
        }
        #expect(
            words(schema("Watchdog")?["properties"]?["action"])
                == Set(WatchdogSettings.Action.allCases.map(\.rawValue)))
        #expect(
            words(schema("Vsock")?["properties"]?["backend"]) == Set(VsockSettings.Backend.allCases.map(\.rawValue)))
        #expect(
            words(schema("ConsoleSettings")?["properties"]?["type"])
                == Set(ConsoleSettings.Kind.allCases.map(\.rawValue)))
        #expect(
            words(schema("NetworkInterface")?["properties"]?["vhost"])
                == Set(NetworkSource.Vhost.allCases.map(\.rawValue)))
        #expect(
            words(schema("PortForward")?["properties"]?["protocol"])
                == Set(NetworkSource.User.Transport.allCases.map(\.rawValue)))
        #expect(
            words(schema("HostDevice")?["properties"]?["bars"]?["items"]?["properties"]?["kind"])
                == Set(PCIFunction.BAR.Kind.allCases.map(\.rawValue)))
        #expect(words(schema("VMState")) == Set(VMState.allCases.map(\.rawValue)))
        #expect(words(schema("Problem")?["properties"]?["type"]) == Set(ProblemType.all.map(\.uri)))
        #expect(
            words(schema("Operation")?["properties"]?["verb"]) == Set(OperationResource.Verb.allCases.map(\.rawValue)))
        #expect(
            words(schema("VM")?["properties"]?["hypervisor"]) == Set(HypervisorKind.allCases.map(\.rawValue)))
    }
}
