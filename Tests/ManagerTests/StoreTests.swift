import DeviceSources
import Glibc
import Hypervisor
import ManagementService
import PartitionManager
import Synchronization
import Testing

@Suite struct StoreTests {
    private let directory = TemporaryDirectory()

    @Test func isDurableAndVersioned() async throws {
        let (store, state) = try StateStore.open(directory: directory.path)
        #expect(state.installID.count == 32 && state.lastPartitionID == 1 && state.vms.isEmpty)
        #expect(try await store.number("PRAGMA synchronous") == 2)
        #expect(try await store.number("PRAGMA user_version") == 5)
        #expect(try await store.number("PRAGMA application_id") == 0x6876_7274)
        let mode = Mutex("")
        try await store.write { transaction throws(StoreError) in
            let modes = try transaction.database.query("PRAGMA journal_mode") { row throws(StoreError) in row.text(0) }
            mode.withLock { $0 = modes.first ?? "" }
        }
        let wal = mode.withLock { $0 }
        #expect(wal == "wal")
        await store.close()
        let (again, stateAgain) = try StateStore.open(directory: directory.path)
        #expect(stateAgain.installID == state.installID)
        await again.close()
    }

    /// A state directory of the first version, with one VM in it.
    @Test func olderFilesAreTakenForward() async throws {
        let (first, _) = try StateStore.open(directory: directory.path)
        try await first.write { transaction throws(StoreError) in
            try transaction.database.execute(
                """
                DROP TABLE networks;
                DROP TABLE volumes;
                DROP TABLE images;
                ALTER TABLE operations DROP COLUMN image_id;
                ALTER TABLE operations DROP COLUMN volume_id;
                ALTER TABLE operations DROP COLUMN disk;
                ALTER TABLE operations DROP COLUMN forced;
                DROP TABLE vms;
                CREATE TABLE vms (
                    id TEXT PRIMARY KEY, specification TEXT NOT NULL, desired TEXT NOT NULL, state TEXT NOT NULL,
                    reason TEXT NOT NULL, run_id TEXT, partition_id INTEGER, started_at INTEGER, paused INTEGER NOT NULL,
                    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, revision INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID;
                INSERT INTO vms VALUES ('old', '{"vpCount":2,"memorySize":33554432,"boot":{"kernel":"builtin:demo"},
                    "labels":{}}', 'stopped', 'stopped', '{"code":"requested","message":"m"}', NULL, NULL, NULL, 0, 1, 2, 3);
                PRAGMA user_version = 1;
                """)
        }
        await first.close()
        let (second, state) = try StateStore.open(directory: directory.path)
        let old = try #require(state.vms.first)
        #expect(old.id == "old" && old.specification.vpCount == 2 && old.revision == 3)
        #expect(old.restarts == RestartState() && old.specification.restart == RestartPolicy())
        #expect(try await second.number("PRAGMA user_version") == 5)
        await second.close()
    }

    @Test func keepsAllOfARecord() async throws {
        var full = record("full")
        full.specification.initrd = "/initrd"
        full.specification.commandLine = "console=ttyS0 é\"\\"
        full.specification.bootFormat = "flat"
        full.specification.loadAddress = .max
        full.specification.memorySize = 1 << 45
        full.specification.memoryMaximum = 1 << 46
        full.specification.labels = ["team": "a", "empty": ""]
        full.specification.simulation = .init(seed: .max, banner: "b", lifetime: 5)
        full.run = RunRecord(runID: "r", partitionID: 9, startedAt: 77, bootMemory: 1 << 30)
        full.run?.isPaused = true
        full.state = .paused
        full.desired = .paused
        full.reason.signal = 11
        full.reason.exitStatus = -1
        full.reason.lastLogLines = ["a", "b"]
        full.reason.coreDump = "/state/vms/full/core"
        full.specification.dumpsCore = true
        full.specification.restart.mode = .onFailure
        full.specification.restart.maximumDelay = 7.5
        full.restarts = RestartState(count: 3, next: 99)
        let stored = full
        var operation = StoredOperation(
            resource: OperationResource(
                id: "op-1", verb: .detachNetworkInterface, vmID: "full", status: .failed,
                error: ServiceError(.deadlineExceeded, "too late", field: "/f", expected: "e"), createdAt: 1,
                endedAt: 2), timeout: 1.5)
        operation.resource.device = .networkInterface("data")
        operation.isForced = true
        let (store, _) = try StateStore.open(directory: directory.path)
        try await store.write { [operation] transaction throws(StoreError) in
            try transaction.putVM(stored)
            try transaction.putOperation(operation)
            try transaction.usePartitionID(9)
            try transaction.usePartitionID(4)
        }
        await store.close()
        let (again, state) = try StateStore.open(directory: directory.path)
        #expect(state.vms == [full] && state.operations == [operation] && state.lastPartitionID == 9)
        await again.close()
    }

    @Test func oneServerForADirectory() async throws {
        let (store, _) = try StateStore.open(directory: directory.path)
        let error = #expect(throws: StoreError.self) { _ = try StateStore.open(directory: directory.path) }
        #expect(error?.kind == .locked && error?.description.contains("process id \(getpid())") == true)
        await store.close()
        let (again, _) = try StateStore.open(directory: directory.path)
        await again.close()
    }

    @Test func foreignAndNewerFilesAreRefused() async throws {
        let path = directory.path + "/state.db"
        do {
            let foreign = try SQLiteDatabase(path: path)
            try foreign.execute("CREATE TABLE other (x)")
        }
        #expect(throws: StoreError.self) { _ = try StateStore.open(directory: directory.path) }
        unlink(path)
        let (store, _) = try StateStore.open(directory: directory.path)
        try await store.write { transaction throws(StoreError) in
            try transaction.putMeta("kept", "yes")
        }
        await store.close()
        do {
            let newer = try SQLiteDatabase(path: path)
            try newer.execute("PRAGMA user_version = 99")
        }
        let error = #expect(throws: StoreError.self) { _ = try StateStore.open(directory: directory.path) }
        #expect(error?.description.contains("newer hvrootd") == true)
    }

    @Test func waitingTransactionsShareACommitAndFailAlone() async throws {
        let (store, _) = try StateStore.open(directory: directory.path)
        let published = Tally()
        let failures = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<500 {
                group.addTask {
                    do {
                        try await store.write(
                            { transaction throws(StoreError) in
                                try transaction.putVM(record("vm-\(number)"))
                                if number % 50 == 0 { throw StoreError(.other, "this one fails") }
                            }, committed: { published.add() })
                        return false
                    } catch {
                        return true
                    }
                }
            }
            var failures = 0
            for await failed in group where failed { failures += 1 }
            return failures
        }
        let count = published.count
        #expect(failures == 10 && count == 490)
        #expect(store.commitCount < 400)
        await store.close()
        let (again, state) = try StateStore.open(directory: directory.path)
        #expect(state.vms.count == 490 && !state.vms.contains { $0.id == "vm-50" })
        await again.close()
    }

    @Test func aFullDiskIsAnErrorAndNotTheEnd() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        let store = service.manager.store
        try await store.limitPages(0)
        var big = specification("big")
        for number in 0..<60 { big.labels["label-\(number)"] = String(repeating: "x", count: 255) }
        let wanted = big
        let refused = await refusal { _ = try await service.createVM(wanted, validateOnly: false) }
        #expect(refused?.kind == .unavailable)
        #expect(await refusal { _ = try service.vm("big") }?.kind == .notFound)
        #expect(try service.vm("a").state == .running)
        try await store.limitPages(1_000_000)
        #expect(try await service.createVM(wanted, validateOnly: false).state == .defined)
        await service.abandon()
        let next = try await bench.serve()
        #expect(try next.vm("big").specification.labels.count == 60)
        await next.shutdown()
    }

    @Test func whatHappensOnAFullDiskIsStoredLater() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        let store = service.manager.store
        try await store.limitPages(2)
        for size in [3000, 300, 3] {
            var isFull = false
            for _ in 0..<2000 where !isFull {
                let filler = PendingEvent(
                    time: 1, type: "filler", vmID: "", details: [("x", String(repeating: "x", count: size))])
                do {
                    _ = try await store.write { transaction throws(StoreError) in try transaction.appendEvent(filler) }
                } catch {
                    #expect(error.kind == .full)
                    isFull = true
                }
            }
        }
        bench.world.guest(partition: 2)?.end(.poweredOff)
        let refused = await refusal { _ = try await service.begin(.reset, vm: "a", timeout: nil) }
        #expect(refused?.kind == .unavailable)
        #expect(try service.vm("a").state == .running)
        try await store.limitPages(1000)
        try await service.settle("a", .stopped)
        #expect(try service.vm("a").stateReason.code == "guest-poweroff")
        await service.shutdown()
    }

    @Test func oldEventsAndOperationsAreForgotten() async throws {
        let log = EventLog([], lastSequence: 0, limit: 10)
        #expect(log.events(after: 0, limit: 10).isEmpty)
        let registry = OperationRegistry([], limit: 10)
        #expect(registry.list(vm: nil, after: nil, limit: 10).operations.isEmpty)
        let (store, _) = try StateStore.open(directory: directory.path)
        try await store.write { transaction throws(StoreError) in
            for number in 0..<20 {
                try transaction.putOperation(
                    StoredOperation(
                        resource: OperationResource(
                            id: "op-\(100 + number)", verb: .stop, vmID: "a",
                            status: number == 0 ? .running : .succeeded, error: nil, createdAt: 1, endedAt: nil),
                        timeout: nil))
                _ = try transaction.appendEvent(PendingEvent(time: 1, type: "vm.updated", vmID: "a", details: []))
            }
            try transaction.trim(events: 5, operations: 5)
        }
        await store.close()
        let (again, state) = try StateStore.open(directory: directory.path)
        #expect(state.events.map(\.sequence) == Array(16...20))
        #expect(state.operations.map(\.id) == ["op-100", "op-115", "op-116", "op-117", "op-118", "op-119"])
        await again.close()
    }
}

extension StateStore {
    /// The number that a PRAGMA gives on the writer's own connection.
    func number(_ sql: String) async throws -> Int64? {
        try await write { transaction throws(StoreError) in try transaction.database.number(sql) }
    }

    /// Lets the file grow by `pages` more at most: what a full disk does, without one.
    func limitPages(_ pages: Int64) async throws {
        _ = try await write { transaction throws(StoreError) in
            let now = try transaction.database.number("PRAGMA page_count") ?? 0
            return try transaction.database.number("PRAGMA max_page_count = \(now + pages)")
        }
    }
}

private func record(_ id: String) -> VMRecord { VMRecord(id: id, specification: specification(id), now: 1) }
