import BlockStorage
import DeviceSources
import HostInventory
import HypercallABI
import Hypervisor
import JSON
import LinuxSystem
import ManagementService
import NetworkBackends
import PartitionManager
import Synchronization

/// A service without guests: VMs are values, verbs end at once (or when the test lets them), and what is typed at a
/// console comes back from it in capitals.
final class FakeService: ManagementAPI {
    struct State {
        var vms: [String: VMResource] = [:]
        var consoles: [String: [UInt8]] = [:]
        var operations: [OperationResource] = []
        var events: [EventRecord] = []
        var eventObservers: [Int: @Sendable () -> Void] = [:]
        var consoleObservers: [Int: (vm: String, changed: @Sendable () -> Void)] = [:]
        var nextObserver = 0
        var isReady = true
        var refusal: ServiceError?
        var lastTimeout: Double?
        var holdsOperations = false
    }

    let state = Mutex(State())
    let storage = FakeStorage()
    static let hypervisor = HypervisorDescription(kind: .kvm, detail: "a fake", isEmulated: true)

    // MARK: - For tests

    func setReady(_ ready: Bool) { state.withLock { $0.isReady = ready } }
    /// Every change is refused with this.
    func refuse(_ error: ServiceError?) { state.withLock { $0.refusal = error } }
    /// Operations stay under way until `release`.
    func holdOperations() { state.withLock { $0.holdsOperations = true } }
    func release() { state.withLock { $0.holdsOperations = false } }
    var observerCount: Int { state.withLock { $0.eventObservers.count + $0.consoleObservers.count } }

    func printOnConsole(_ vm: String, _ text: String) {
        let observers = state.withLock { state in
            state.consoles[vm, default: []] += Array(text.utf8)
            return state.consoleObservers.values.filter { $0.vm == vm }.map(\.changed)
        }
        for observer in observers { observer() }
    }

    func record(_ type: String, _ vm: String, _ details: JSONObject = [:]) {
        let observers = state.withLock { state in
            let sequence = UInt64(state.events.count) + 1
            state.events.append(
                EventRecord(sequence: sequence, time: realtimeNanoseconds(), type: type, vmID: vm, details: details))
            return Array(state.eventObservers.values)
        }
        for observer in observers { observer() }
    }

    private func checkRefusal() throws(ServiceError) {
        if let refusal = state.withLock({ $0.refusal }) { throw refusal }
    }

    private func existing(_ id: String) throws(ServiceError) -> VMResource {
        guard let vm = state.withLock({ $0.vms[id] }) else {
            throw ServiceError(.notFound, "There is no VM '\(id)'.")
        }
        return vm
    }

    // MARK: - ManagementAPI

    func host() -> HostResource {
        HostResource(
            hostname: "test\"host\\", kernelRelease: "6.1.0", machineID: "0123456789abcdef",
            processorModel: "a processor",
            processorCount: 4, memoryTotal: 8 << 30, memoryAvailable: 4 << 30,
            hypervisor: HypervisorResource(
                kind: "kvm", detail: "a fake", isEmulated: true, isSimulated: false, requested: "auto",
                reason: "it is a test"),
            mshv: MshvResource(
                vendor: "Microsoft Hv", role: "root", version: "10.0.27744.1000-0", maximumVPs: 240,
                device: "inaccessible", deviceDetail: "Permission denied (errno 13)"),
            version: "0.1.0", startedAt: realtimeNanoseconds(), vmCount: state.withLock { $0.vms.count })
    }

    func hostDevices() -> HostDevices {
        guard let address = PCIAddress("0000:3b:00.0"), let other = PCIAddress("0000:3b:10.7") else {
            return HostDevices()
        }
        var function = PCIFunction(
            address: address, identity: .init(vendor: 0x8086, device: 0x1572, classCode: 0x020000))
        function.names = .init(vendor: "v", device: "d", deviceClass: "c")
        (function.driver, function.driverOverride) = ("i40e", "vfio-pci")
        function.iommuGroup = .init(id: 12, members: [address, other])
        function.numaNode = 1
        function.resetMethods = ["flr"]
        function.virtualFunctions = .init(total: 64, functions: [other])
        function.physicalFunction = other
        function.bars = [.init(index: 0, kind: .memory64, size: 8 << 20, isPrefetchable: true)]
        function.romSize = 1 << 19
        function.link = .init(speed: "8.0 GT/s PCIe", width: 8, maximumSpeed: "8.0 GT/s PCIe", maximumWidth: 8)
        (function.networkInterfaces, function.blockDevices) = (["eth0"], ["nvme0n1"])
        let mediated = MediatedDevice(id: "u", parent: "0000:3b:00.0", type: "t", iommuGroup: 13)
        return HostDevices(functions: [function], mediated: [mediated])
    }

    var isReady: Bool { state.withLock { $0.isReady } }

    func createVM(_ specification: VMSpecification, validateOnly: Bool) async throws(ServiceError) -> VMResource {
        try checkRefusal()
        await Task.yield()
        let id = specification.id ?? "vm-1"
        let isKnown = state.withLock { $0.vms[id] != nil }
        if isKnown { throw ServiceError(.alreadyExists, "There is a VM '\(id)' already.", field: "/id") }
        let vm = VMResource(
            specification: specification, id: id, state: .defined,
            stateReason: StateReason(code: "created", message: "It was created."), partitionID: nil,
            hypervisor: Self.hypervisor, createdAt: realtimeNanoseconds(), updatedAt: realtimeNanoseconds(),
            startedAt: nil, processID: nil, revision: 1, operationID: nil)
        if !validateOnly {
            state.withLock { $0.vms[id] = vm }
            record("vm.created", id)
        }
        return vm
    }

    func listVMs(
        after: String?, limit: Int, labels: [String: String], state wanted: VMState?
    ) -> (vms: [VMResource], more: Bool) {
        let all = state.withLock { $0.vms.values.sorted { $0.id < $1.id } }
        let matching = all.filter { vm in
            vm.id > (after ?? "") && (wanted == nil || vm.state == wanted)
                && labels.allSatisfy { vm.specification.labels[$0.key] == $0.value }
        }
        return (Array(matching.prefix(limit)), matching.count > limit)
    }

    func vm(_ id: String) throws(ServiceError) -> VMResource { try existing(id) }

    func updateVM(_ id: String, _ patch: VMPatch, ifRevision: UInt64?) async throws(ServiceError) -> VMResource {
        try checkRefusal()
        var vm = try existing(id)
        if let ifRevision, ifRevision != vm.revision {
            throw ServiceError(.preconditionFailed, "The revision is \(vm.revision).")
        }
        for (name, value) in patch.labels ?? [:] { vm.specification.labels[name] = value }
        if let count = patch.vpCount { vm.specification.vpCount = count }
        if let initrd = patch.initrd { vm.specification.initrd = initrd }
        vm.revision += 1
        state.withLock { [vm] in $0.vms[id] = vm }
        record("vm.updated", id)
        return vm
    }

    func deleteVM(_ id: String, force: Bool, ifRevision: UInt64?) async throws(ServiceError) -> OperationResource? {
        try checkRefusal()
        let vm = try existing(id)
        if let ifRevision, ifRevision != vm.revision {
            throw ServiceError(.preconditionFailed, "The revision is \(vm.revision).")
        }
        if vm.state == .running, !force { throw ServiceError(.wrongState, "The VM runs.") }
        state.withLock { state in
            state.vms[id] = nil
            state.consoles[id] = nil
        }
        record("vm.deleted", id)
        return vm.state == .running ? makeOperation(.delete, id) : nil
    }

    func begin(
        _ verb: OperationResource.Verb, vm id: String, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        try checkRefusal()
        var vm = try existing(id)
        vm.state = verb == .start || verb == .resume ? .running : verb == .pause ? .paused : .stopped
        vm.partitionID = 7
        vm.startedAt = realtimeNanoseconds() - 1_500_000_000
        vm.processID = 42
        vm.revision += 1
        let operation = makeOperation(verb, id)
        vm.operationID = operation.status == .running ? operation.id : nil
        state.withLock { [vm] state in
            state.vms[id] = vm
            state.lastTimeout = timeout
        }
        record("vm.state-changed", id, ["state": .string(vm.state.rawValue)])
        return operation
    }

    func device(_ device: DeviceName, of id: String) throws(ServiceError) -> DeviceSource {
        guard let found = try existing(id).specification.device(device) else {
            throw ServiceError(.notFound, "VM '\(id)' has no \(device.kind.words) with the id '\(device.id)'.")
        }
        return found
    }

    func attach(_ device: DeviceSource, to id: String) async throws(ServiceError) -> OperationResource {
        try checkRefusal()
        var vm = try existing(id)
        switch device {
        case .disk(let disk): vm.specification.disks.append(disk)
        case .networkInterface(let interface): vm.specification.networkInterfaces.append(interface)
        }
        state.withLock { [vm] in $0.vms[id] = vm }
        return makeOperation(.attach(device.name.kind), id)
    }

    func detach(
        _ device: DeviceName, of id: String, force: Bool, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        try checkRefusal()
        _ = try self.device(device, of: id)
        var vm = try existing(id)
        vm.specification.disks.removeAll { .disk($0.id) == device }
        vm.specification.networkInterfaces.removeAll { .networkInterface($0.id) == device }
        state.withLock { [vm] state in
            state.vms[id] = vm
            state.lastTimeout = timeout
        }
        return makeOperation(.detach(device.kind), id)
    }

    func limit(
        _ device: DeviceName, of id: String, _ limit: DeviceLimit?
    ) async throws(ServiceError) -> DeviceSource {
        try checkRefusal()
        var found = try self.device(device, of: id)
        found.limit = limit
        return found
    }

    private func makeOperation(_ verb: OperationResource.Verb, _ vm: String) -> OperationResource {
        state.withLock { state in
            let operation = OperationResource(
                id: "op-\(state.operations.count + 1)", verb: verb, vmID: vm,
                status: state.holdsOperations ? .running : .succeeded, error: nil, createdAt: realtimeNanoseconds(),
                endedAt: state.holdsOperations ? nil : realtimeNanoseconds())
            state.operations.append(operation)
            return operation
        }
    }

    func listOperations(vm: String?, after: String?, limit: Int) -> (operations: [OperationResource], more: Bool) {
        let all = state.withLock { $0.operations }
        let matching = all.filter { (vm == nil || $0.vmID == vm) && $0.id > (after ?? "") }
        return (Array(matching.prefix(limit)), matching.count > limit)
    }

    func operation(_ id: String) throws(ServiceError) -> OperationResource {
        guard let operation = state.withLock({ $0.operations.first { $0.id == id } }) else {
            throw ServiceError(.notFound, "There is no operation '\(id)'.")
        }
        return operation
    }

    func waitForOperation(_ id: String, timeout: Double) async throws(ServiceError) -> OperationResource {
        let deadline = monotonicNanoseconds() + UInt64(timeout * 1e9)
        while monotonicNanoseconds() < deadline, state.withLock({ $0.holdsOperations }) {
            try? await Task.sleep(nanoseconds: 5_000_000)
        }
        return try operation(id)
    }

    func readConsole(vm id: String, offset: Int64, limit: Int) async throws(ServiceError) -> ConsoleChunk {
        _ = try existing(id)
        let log = state.withLock { $0.consoles[id] ?? [] }
        let start = offset >= 0 ? Int(min(offset, Int64(log.count))) : max(0, log.count + Int(max(offset, -1_000_000)))
        let end = min(log.count, start + limit)
        return ConsoleChunk(bytes: Array(log[start..<end]), offset: UInt64(start), nextOffset: UInt64(end))
    }

    func writeConsole(vm id: String, _ bytes: [UInt8]) async throws(ServiceError) -> Int {
        _ = try existing(id)
        printOnConsole(id, String(decoding: bytes, as: UTF8.self).uppercased())
        return bytes.count
    }

    func observeConsole(vm id: String, changed: @escaping @Sendable () -> Void) throws(ServiceError) -> Observation {
        _ = try existing(id)
        let number = state.withLock { state in
            state.nextObserver += 1
            state.consoleObservers[state.nextObserver] = (id, changed)
            return state.nextObserver
        }
        return Observation { [weak self] in self?.state.withLock { $0.consoleObservers[number] = nil } }
    }

    func events(after sequence: UInt64, limit: Int) -> [EventRecord] {
        state.withLock { state in Array(state.events.lazy.filter { $0.sequence > sequence }.prefix(limit)) }
    }

    var lastEventSequence: UInt64 { state.withLock { UInt64($0.events.count) } }

    func observeEvents(changed: @escaping @Sendable () -> Void) -> Observation {
        let number = state.withLock { state in
            state.nextObserver += 1
            state.eventObservers[state.nextObserver] = changed
            return state.nextObserver
        }
        return Observation { [weak self] in self?.state.withLock { $0.eventObservers[number] = nil } }
    }

    func metrics() -> MetricsSnapshot {
        var statistics = GuestStatistics()
        statistics.vpRunTime = [1_500_000_000, 20]
        statistics.exits = [
            ExitReason.allCases.map { UInt64($0.rawValue) }, ExitReason.allCases.map { _ in 0 },
        ]
        statistics.consoleBytes = 12
        statistics.hypercalls = [
            HypercallCount(code: .createPartition, status: .success, count: 1),
            HypercallCount(code: CallCode(rawValue: 0x7777), status: .invalidHypercallCode, count: 2),
        ]
        let vms = state.withLock { $0.vms.values.sorted { $0.id < $1.id } }
        return MetricsSnapshot(
            host: host(), vms: vms.map { ($0, $0.state == .running ? statistics : nil) },
            operations: [("start", "succeeded", 1)], eventsTotal: lastEventSequence)
    }
}
