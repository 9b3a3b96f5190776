import DeviceSources
import JSON

/// All that the state store keeps, as it is read when a server starts.
package struct StoredState: Sendable {
    /// Names this installation; made when the state directory was first used.
    package var installID = ""
    /// The largest partition id ever given.
    package var lastPartitionID: UInt64 = 1
    /// In the order of ids.
    package var vms: [VMRecord] = []
    package var images: [ImageResource] = []
    package var volumes: [VolumeResource] = []
    package var networks: [NetworkResource] = []
    /// In the order of their creation.
    package var operations: [StoredOperation] = []
    /// In the order of their sequences.
    package var events: [EventRecord] = []
    /// The sequence of the newest event ever.
    package var lastSequence: UInt64 = 0
    /// VMs whose directories may not have been removed yet.
    package var removals: [String] = []

    init(reading database: SQLiteDatabase) throws(StoreError) {
        let meta = try database.query("SELECT key, value FROM meta") { row throws(StoreError) in
            (key: row.text(0), value: row.text(1))
        }
        for (key, value) in meta {
            switch key {
            case "install_id": installID = value
            case "last_partition_id": lastPartitionID = max(UInt64(value) ?? 1, 1)
            default: break
            }
        }
        vms = try database.query(
            """
            SELECT id, specification, desired, state, reason, run_id, partition_id, started_at, paused, created_at,
                updated_at, revision, restarts, restart_at, boot_memory FROM vms ORDER BY id
            """, [], StoredState.vm)
        operations = try database.query(
            """
            SELECT id, verb, vm_id, status, error, timeout, created_at, ended_at, image_id, volume_id, disk,
                forced FROM operations ORDER BY id
            """, [], StoredState.operation)
        images = try StoredState.images(database)
        volumes = try StoredState.volumes(database)
        networks = try StoredState.networks(database)
        events = try database.query("SELECT sequence, time, type, vm_id, details FROM events ORDER BY sequence") {
            row throws(StoreError) in
            EventRecord(
                sequence: row.unsigned(0), time: row.unsigned(1), type: row.text(2), vmID: row.text(3),
                details: try RecordCodec.value(row.text(4), of: "an event").object ?? [:])
        }
        lastSequence = UInt64(
            clamping: try database.number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'")
                ?? 0)
        removals = try database.query("SELECT vm_id FROM removals") { row throws(StoreError) in row.text(0) }
    }

    private static func vm(_ row: borrowing SQLiteRow) throws(StoreError) -> VMRecord {
        let id = row.text(0)
        guard let desired = DesiredState(rawValue: row.text(2)), let state = VMState(rawValue: row.text(3)) else {
            throw StoreError(.corrupt, "the state of VM \(id) in the state store is not one this hvrootd knows")
        }
        let specification = try RecordCodec.specification(
            try RecordCodec.value(row.text(1), of: "the specification of VM \(id)"), id: id)
        var run: RunRecord?
        if let runID = row.optionalText(5) {
            run = RunRecord(
                runID: runID, partitionID: row.unsigned(6), startedAt: row.unsigned(7),
                bootMemory: row.optionalUnsigned(14) ?? specification.memorySize)
            run?.isPaused = row.integer(8) != 0
        }
        var record = VMRecord(
            id: id, specification: specification, desired: desired, state: state,
            reason: RecordCodec.reason(try RecordCodec.value(row.text(4), of: "the reason of VM \(id)")), run: run,
            createdAt: row.unsigned(9), updatedAt: row.unsigned(10), revision: row.unsigned(11))
        record.restarts = RestartState(count: row.unsigned(12), next: row.optionalUnsigned(13))
        return record
    }

    private static func operation(_ row: borrowing SQLiteRow) throws(StoreError) -> StoredOperation {
        let id = row.text(0)
        guard let verb = OperationResource.Verb(rawValue: row.text(1)),
            let status = OperationResource.Status(rawValue: row.text(3))
        else { throw StoreError(.corrupt, "operation \(id) in the state store is not one this hvrootd knows") }
        var error: ServiceError?
        if let text = row.optionalText(4) {
            error = RecordCodec.error(try RecordCodec.value(text, of: "the error of operation \(id)"))
        }
        var resource = OperationResource(
            id: id, verb: verb, vmID: row.text(2), status: status, error: error, createdAt: row.unsigned(6),
            endedAt: row.optionalUnsigned(7))
        resource.imageID = row.optionalText(8)
        resource.volumeID = row.optionalText(9)
        // The column is from when only disks came and went; what kind it is follows from the verb.
        if let kind = verb.deviceKind { resource.device = row.optionalText(10).map { DeviceName(kind, $0) } }
        var operation = StoredOperation(resource: resource, timeout: row.optionalReal(5))
        operation.isForced = row.integer(11) != 0
        return operation
    }
}
