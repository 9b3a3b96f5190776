import BootLoader
import Glibc
import Hypervisor
import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization
import Testing

/// A directory that goes away with its test.
final class TemporaryDirectory: Sendable {
    let path: String
    init() {
        var template = Array("/tmp/hvroot-manager-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
        }
    }
    deinit { try? DirectoryTree.remove(path) }
}

/// A console log that is empty but for what a test says.
struct FakeConsole: ConsoleLogReader {
    func read(vmDirectory: String, offset: Int64, limit: Int) throws(ConsoleLogError) -> ConsoleChunk {
        let all = Array("log of \(vmDirectory.split(separator: "/").last ?? "")".utf8)
        let from = min(max(0, Int(offset)), all.count)
        let to = min(all.count, from + limit)
        return ConsoleChunk(bytes: Array(all[from..<to]), offset: UInt64(from), nextOffset: UInt64(to))
    }
}

/// A state directory with the host under it, and the servers that come and go on them.
struct Bench {
    let directory = TemporaryDirectory()
    var world = FakeWorld()
    var badImages: @Sendable (BootSource) -> BootError? = { _ in nil }
    /// Stands before `/proc` and `/sys`.
    var hostRoot = ""

    var configuration: ServiceConfiguration {
        var manager = ManagerConfiguration(
            stateDirectory: directory.path + "/state", runDirectory: directory.path + "/run")
        manager.stopTimeout = 0.3
        var service = ServiceConfiguration(
            manager: manager,
            hypervisor: HypervisorResource(
                kind: world.hypervisor.kind.rawValue, detail: world.hypervisor.detail, isEmulated: false,
                isSimulated: world.hypervisor.isSimulated, requested: "auto", reason: "a test"),
            version: "test")
        service.hostRoot = hostRoot
        return service
    }

    /// A server whose guests have not been looked for.
    func open() throws -> ManagementService {
        let badImages = badImages
        return try ManagementService(
            configuration: configuration, launcher: world, console: FakeConsole(),
            validateBoot: { source, _ throws(BootError) in if let error = badImages(source) { throw error } })
    }

    func serve() async throws -> ManagementService {
        let service = try open()
        await service.start()
        return service
    }
}

func specification(_ id: String?) -> VMSpecification {
    var specification = VMSpecification()
    specification.id = id
    specification.kernel = BootSource.demoKernel
    specification.memorySize = 32 << 20
    return specification
}

extension ManagementService {
    /// Begins `verb` and waits for its end.
    @discardableResult
    func run(_ verb: OperationResource.Verb, _ id: String, timeout: Double? = nil) async throws -> OperationResource {
        let operation = try await begin(verb, vm: id, timeout: timeout)
        return try await waitForOperation(operation.id, timeout: 10)
    }

    /// A VM in `state`.
    func make(_ id: String, in state: VMState = .running) async throws {
        _ = try await createVM(specification(id), validateOnly: false)
        guard state != .defined else { return }
        try await run(.start, id)
        switch state {
        case .paused: try await run(.pause, id)
        case .stopped: try await run(.stop, id)
        default: break
        }
        try #require(try vm(id).state == state)
    }

    /// Waits until the VM is in `state`.
    func settle(_ id: String, _ state: VMState) async throws {
        for _ in 0..<2000 {
            if try vm(id).state == state { return }
            try await Task.sleep(nanoseconds: 2_000_000)
        }
        Issue.record("VM \(id) is \(try vm(id).state), not \(state): \(try vm(id).stateReason)")
    }
}

/// The kind of the service error that `body` throws.
func refusal(_ body: () async throws -> Void) async -> ServiceError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? ServiceError
    }
}

/// Waits until `condition` holds.
func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<2000 {
        if condition() { return true }
        try? await Task.sleep(nanoseconds: 2_000_000)
    }
    return false
}

/// Counts from any thread.
final class Tally: Sendable {
    private let value = Atomic(0)
    var count: Int { value.load(ordering: .relaxed) }
    func add() { value.add(1, ordering: .relaxed) }
}
