import BlockStorage
import Glibc
import ImageStore
import JSON
import LinuxSystem
import ManagementService
import PartitionManager
import Testing

/// Images and volumes below the API: what a crash leaves, who may use what, and state of earlier versions.
@Suite struct StorageTests {
    private var bench: Bench {
        var bench = Bench()
        bench.world = FakeWorld()
        return bench
    }

    private static let content = [UInt8](repeating: 7, count: 1 << 20)

    private func upload(_ service: ManagementService, _ id: String, _ bytes: [UInt8] = content) async throws {
        let upload = try service.uploadImage(ImageRequest(id: id), size: nil)
        try await upload.write(bytes)
        _ = try await upload.finish()
    }

    private func make(_ service: ManagementService, _ request: VolumeRequest) async throws -> OperationResource {
        let operation = try await service.createVolume(request)
        return try await service.waitForOperation(operation.id, timeout: 10)
    }

    private func disk(_ volume: String, readOnly: Bool = false) -> DiskSource {
        var disk = DiskSource(id: "d", path: "", isReadOnly: readOnly)
        disk.volume = volume
        return disk
    }

    private func names(_ bench: Bench, _ folder: String) -> [String] {
        ((try? DirectoryNames.list("\(bench.directory.path)/state/\(folder)")) ?? []).sorted()
    }

    @Test func allIsThereAfterAKill() async throws {
        let bench = bench
        var service = try await bench.serve()
        try await upload(service, "i")
        #expect(try await make(service, VolumeRequest(id: "v", size: 2 << 20, image: "i")).status == .succeeded)
        #expect(try await make(service, VolumeRequest(id: "b", size: 1 << 30)).status == .succeeded)
        _ = try await service.updateImage("i", StoragePatch(labels: ["team": "a"]), ifRevision: 1)
        _ = try await service.updateVolume("v", StoragePatch(size: 3 << 20), ifRevision: nil)
        let (image, volume) = (try service.image("i"), try await service.volume("v"))
        await service.abandon()
        service = try await bench.serve()
        #expect(try service.image("i") == image && image.labels == ["team": "a"] && image.revision == 2)
        let again = try await service.volume("v")
        #expect(again == volume && again.volume.size == 3 << 20)
        #expect(service.listImages(after: nil, limit: 9, labels: ["team": "a"]).images.count == 1)
        #expect(service.listImages(after: nil, limit: 9, labels: ["team": "b"]).images.isEmpty)
        #expect(await service.listVolumes(after: "b", limit: 9, labels: [:]).volumes.map(\.volume.id) == ["v"])
        let page = await service.listVolumes(after: nil, limit: 1, labels: [:])
        #expect(page.volumes.count == 1 && page.more)
        #expect(service.metrics().storage.images == 1 && service.metrics().storage.volumes == 2)
        #expect(service.metrics().storage.volumeBytes == 1 << 30 + 3 << 20)
        let types = service.events(after: 0, limit: 100).map(\.type)
        for type in ["image.created", "image.updated", "volume.created", "volume.updated", "operation.ended"] {
            #expect(types.contains(type), "\(type)")
        }
        await service.shutdown()
    }

    @Test func whatACrashLeftIsRemoved() async throws {
        let bench = bench
        var service = try await bench.serve()
        try await upload(service, "i")
        // An upload that never ends, and files whose rows were never written.
        let upload = try service.uploadImage(ImageRequest(id: "j"), size: nil)
        try await upload.write(Self.content)
        await service.abandon()
        for folder in ["images", "volumes"] {
            _ = try FileDescriptor(
                opening: "\(bench.directory.path)/state/\(folder)/lost-0.raw", O_CREAT | O_WRONLY)
        }
        #expect(names(bench, "images").count == 3)
        service = try await bench.serve()
        #expect(names(bench, "images") == [try service.image("i").file])
        #expect(names(bench, "volumes").isEmpty)
        #expect(await refusal { _ = try service.image("j") }?.kind == .notFound)
        withExtendedLifetime(upload) {}
        await service.shutdown()
    }

    /// An operation that an earlier server began ends with the next.
    @Test func anOperationThatACrashInterruptedFails() async throws {
        let bench = bench
        var service = try await bench.serve()
        var resource = OperationResource(
            id: "op-0000000000000001", verb: .createVolume, vmID: "", status: .running, error: nil, createdAt: 1,
            endedAt: nil)
        resource.volumeID = "v"
        let operation = StoredOperation(resource: resource, timeout: nil)
        try await service.manager.store.write { transaction throws(StoreError) in
            try transaction.putOperation(operation)
        }
        await service.abandon()
        service = try await bench.serve()
        let ended = try service.operation(operation.id)
        #expect(ended.status == .failed && ended.volumeID == "v" && ended.error?.kind == .unavailable)
        await service.shutdown()
    }

    @Test func aBrokenUploadFreesItsIdAndItsRoom() async throws {
        let bench = bench
        let service = try await bench.serve()
        let upload = try service.uploadImage(ImageRequest(id: "i"), size: nil)
        try await upload.write(Self.content)
        #expect(await refusal { _ = try service.uploadImage(ImageRequest(id: "i"), size: nil) }?.kind == .alreadyExists)
        upload.cancel()
        #expect(await eventually { names(bench, "images").isEmpty })
        #expect(await refusal { try await upload.write([1]) }?.kind == .unavailable)
        #expect(await eventually { service.manager.storage.registry.image("i") == nil })
        for _ in 0..<100 {
            if let next = try? service.uploadImage(ImageRequest(id: "i"), size: nil) {
                next.cancel()
                break
            }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
        // More than there is room for, and more than there may be.
        #expect(
            await refusal { _ = try service.uploadImage(ImageRequest(id: "k"), size: 1 << 60) }?.kind
                == .insufficientResources)
        try await Task.sleep(nanoseconds: 50_000_000)
        let many = try (0..<StorageManager.maximumUploads).map {
            try service.uploadImage(ImageRequest(id: "m\($0)"), size: nil)
        }
        #expect(await refusal { _ = try service.uploadImage(ImageRequest(id: "n"), size: nil) }?.kind == .unavailable)
        for upload in many { upload.cancel() }
        _ = try service.uploadImage(ImageRequest(id: "n"), size: nil)
        await service.shutdown()
    }

    @Test func oneVolumeHasOneWriter() async throws {
        let bench = bench
        let service = try await bench.serve()
        _ = try await make(service, VolumeRequest(id: "v", size: 1 << 20))
        func vm(_ id: String, _ disks: [DiskSource]) -> VMSpecification {
            var result = specification(id)
            result.disks = disks
            return result
        }
        #expect(
            await refusal { _ = try await service.createVM(vm("a", [disk("none")]), validateOnly: false) }?.field
                == "/disks/0/volume")
        _ = try await service.createVM(vm("a", [disk("v")]), validateOnly: false)
        for validateOnly in [true, false] {
            let second = await refusal {
                _ = try await service.createVM(vm("b", [disk("v")]), validateOnly: validateOnly)
            }
            #expect(second?.kind == .wrongState && second?.detail.contains("VM 'a'") == true, "\(second as Any)")
        }
        _ = try await service.createVM(vm("r", [disk("v", readOnly: true)]), validateOnly: false)
        let used = await refusal { try await service.deleteVolume("v", ifRevision: nil) }
        #expect(used?.kind == .wrongState && used?.detail.contains("'a', 'r'") == true)
        // A change of a VM takes and gives volumes.
        _ = try await make(service, VolumeRequest(id: "w", size: 1 << 20))
        _ = try await service.createVM(vm("b", [disk("w")]), validateOnly: false)
        var patch = VMPatch()
        patch.disks = [disk("v")]
        #expect(await refusal { _ = try await service.updateVM("b", patch, ifRevision: nil) }?.kind == .wrongState)
        #expect(try await service.volume("v").users == ["a", "r"])
        patch.disks = []
        _ = try await service.updateVM("a", patch, ifRevision: nil)
        patch.disks = [disk("v")]
        _ = try await service.updateVM("b", patch, ifRevision: nil)
        #expect(try await service.volume("v").users == ["b", "r"])
        #expect(try await service.volume("w").users.isEmpty)
        try await service.deleteVolume("w", ifRevision: nil)
        for id in ["b", "r"] { _ = try await service.deleteVM(id, force: false, ifRevision: nil) }
        try await service.deleteVolume("v", ifRevision: nil)
        #expect(names(bench, "volumes").isEmpty)
        await service.shutdown()
    }

    @Test func manyAtOnceHaveOneWinner() async throws {
        let bench = bench
        let service = try await bench.serve()
        _ = try await make(service, VolumeRequest(id: "v", size: 1 << 20))
        let wins = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<16 {
                group.addTask {
                    var wanted = specification("vm\(number)")
                    wanted.disks = [disk("v")]
                    return (try? await service.createVM(wanted, validateOnly: false)) != nil
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(wins == 1)
        #expect(try await service.volume("v").users.count == 1)
        await service.shutdown()
    }

    @Test func volumesKnowTheirBounds() async throws {
        let bench = bench
        let service = try await bench.serve()
        try await upload(service, "i")
        func refused(_ request: VolumeRequest) async -> String? {
            await refusal { _ = try await service.createVolume(request) }?.field
        }
        #expect(await refused(VolumeRequest(id: "v")) == "/size")
        #expect(await refused(VolumeRequest(id: "v", size: 1000)) == "/size")
        #expect(await refused(VolumeRequest(id: "v", size: 512, image: "i")) == "/size")
        #expect(await refused(VolumeRequest(id: "v", size: 512, method: .overlay)) == "/method")
        #expect(await refused(VolumeRequest(id: "v", image: "none")) == "/image")
        #expect(await refused(VolumeRequest(id: "V", size: 512)) == "/id")
        _ = try await make(service, VolumeRequest(id: "v", image: "i"))
        #expect(try await service.volume("v").volume.size == 1 << 20)
        #expect(await refused(VolumeRequest(id: "v", size: 512)) == "/id")
        let smaller = await refusal {
            _ = try await service.updateVolume("v", StoragePatch(size: 512), ifRevision: nil)
        }
        #expect(smaller?.field == "/size")
        let stale = await refusal {
            _ = try await service.updateVolume("v", StoragePatch(size: 2 << 20), ifRevision: 7)
        }
        #expect(stale?.kind == .preconditionFailed)
        await service.shutdown()
    }

    @Test func cloudInitIsNeverShown() async throws {
        let secret = "the-secret-of-the-owner"
        let cloudInit = CloudInit(userData: secret)
        #expect(!"\(cloudInit)".contains(secret) && !String(reflecting: cloudInit).contains(secret))
        var wanted = specification("a")
        wanted.cloudInit = cloudInit
        #expect(!"\(wanted)".contains(secret))
        var printed = ""
        dump(wanted, to: &printed)
        #expect(!printed.contains(secret))
    }

    @Test func metaDataIsCompleted() throws {
        func complete(_ text: String?) throws -> String {
            try CloudInit(userData: "", metaData: text).completeMetaData(instance: "i-1", hostname: "web")
        }
        #expect(try complete(nil) == "instance-id: i-1\nlocal-hostname: web\n")
        #expect(try complete("local-hostname: other\n") == "instance-id: i-1\nlocal-hostname: other\n")
        #expect(try complete("instance-id: x\nlocal-hostname: y") == "instance-id: x\nlocal-hostname: y\n")
        #expect(try complete("---\nkey: value\n") == "---\ninstance-id: i-1\nlocal-hostname: web\nkey: value\n")
        let object = try JSONValue.parse(Array(try complete(#" {"instance-id": "x", "a": 1}"#).utf8))
        #expect(object["instance-id"]?.string == "x" && object["local-hostname"]?.string == "web")
        #expect(object["a"]?.uint64 == 1)
        #expect(throws: (any Error).self) { _ = try complete("{broken") }
    }

    /// The first version's tables, as a server of before there were images left them.
    @Test func stateOfTheFirstVersionIsTakenOver() async throws {
        let bench = bench
        let directory = bench.directory.path + "/state"
        try DirectoryTree.create(directory)
        do {
            let old = try SQLiteDatabase(path: directory + "/state.db")
            try old.execute(Self.firstVersion)
        }
        let service = try await bench.serve()
        #expect(try service.vm("old").specification.memorySize == 64 << 20)
        #expect(try service.operation("op-0000000000000002").vmID == "old")
        #expect(try await make(service, VolumeRequest(id: "v", size: 1 << 20)).status == .succeeded)
        #expect(service.manager.installID == "0123456789abcdef0123456789abcdef")
        await service.shutdown()
        var status = stat()
        #expect(stat(directory + "/state.db", &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    private static let firstVersion = """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE vms (
            id TEXT PRIMARY KEY, specification TEXT NOT NULL, desired TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, run_id TEXT, partition_id INTEGER, started_at INTEGER, paused INTEGER NOT NULL,
            created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE operations (
            id TEXT PRIMARY KEY, verb TEXT NOT NULL, vm_id TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
            timeout REAL, created_at INTEGER NOT NULL, ended_at INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, type TEXT NOT NULL,
            vm_id TEXT NOT NULL, details TEXT NOT NULL
        ) STRICT;
        CREATE TABLE removals (vm_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
        PRAGMA application_id = \(0x6876_7274);
        PRAGMA user_version = 1;
        INSERT INTO meta VALUES ('install_id', '0123456789abcdef0123456789abcdef');
        INSERT INTO vms VALUES ('old',
            '{"vpCount":1,"memorySize":67108864,"boot":{"kernel":"builtin:demo","commandLine":"","format":"auto"},"labels":{}}',
            'stopped', 'stopped', '{"code":"requested","message":"Stopped."}', NULL, NULL, NULL, 0, 1, 2, 3);
        INSERT INTO operations VALUES ('op-0000000000000002', 'stop', 'old', 'succeeded', NULL, NULL, 1, 2);
        """
}
