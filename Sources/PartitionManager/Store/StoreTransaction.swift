import DeviceSources
import JSON

/// What can be written in one transaction. Only bodies given to `StateStore.write` see one.
package struct StoreTransaction: ~Copyable {
    package let database: SQLiteDatabase

    package borrowing func putVM(_ record: VMRecord) throws(StoreError) {
        try database.run(
            """
            INSERT OR REPLACE INTO vms (id, specification, desired, state, reason, run_id, partition_id, started_at,
                paused, created_at, updated_at, revision, restarts, restart_at, boot_memory)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(record.id), .text(RecordCodec.text(RecordCodec.encode(record.specification))),
                .text(record.desired.rawValue), .text(record.state.rawValue),
                .text(RecordCodec.text(RecordCodec.encode(record.reason))), SQLiteValue(record.run?.runID),
                SQLiteValue(record.run?.partitionID), SQLiteValue(record.run?.startedAt),
                SQLiteValue(record.run?.isPaused ?? false), SQLiteValue(record.createdAt),
                SQLiteValue(record.updatedAt), SQLiteValue(record.revision), SQLiteValue(record.restarts.count),
                SQLiteValue(record.restarts.next), SQLiteValue(record.run?.bootMemory),
            ])
    }

    /// Forgets the VM and remembers that its directories are still to be removed.
    package borrowing func deleteVM(_ id: String) throws(StoreError) {
        try database.run("DELETE FROM vms WHERE id = ?", [.text(id)])
        try database.run("INSERT OR REPLACE INTO removals (vm_id) VALUES (?)", [.text(id)])
    }

    /// The directories of a deleted VM are gone.
    package borrowing func endRemoval(of id: String) throws(StoreError) {
        try database.run("DELETE FROM removals WHERE vm_id = ?", [.text(id)])
    }

    package borrowing func putOperation(_ operation: StoredOperation) throws(StoreError) {
        let resource = operation.resource
        try database.run(
            """
            INSERT OR REPLACE INTO operations (id, verb, vm_id, status, error, timeout, created_at, ended_at, image_id,
                volume_id, disk, forced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(resource.id), .text(resource.verb.rawValue), .text(resource.vmID),
                .text(resource.status.rawValue),
                SQLiteValue(resource.error.map { RecordCodec.text(RecordCodec.encode($0)) }),
                SQLiteValue(operation.timeout), SQLiteValue(resource.createdAt), SQLiteValue(resource.endedAt),
                SQLiteValue(resource.imageID), SQLiteValue(resource.volumeID),
                SQLiteValue(resource.device?.id), SQLiteValue(operation.isForced),
            ])
    }

    /// - Returns: the event with the sequence it got.
    package borrowing func appendEvent(_ event: PendingEvent) throws(StoreError) -> EventRecord {
        var details = JSONObject()
        for detail in event.details { details[detail.name] = .string(detail.value) }
        try database.run(
            "INSERT INTO events (time, type, vm_id, details) VALUES (?, ?, ?, ?)",
            [
                SQLiteValue(event.time), .text(event.type), .text(event.vmID),
                .text(RecordCodec.text(.object(details))),
            ])
        return EventRecord(
            sequence: UInt64(clamping: database.lastInsertedRow), time: event.time, type: event.type,
            vmID: event.vmID, details: details)
    }

    package borrowing func putMeta(_ key: String, _ value: String) throws(StoreError) {
        try database.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [.text(key), .text(value)])
    }

    /// Partition ids up to this one are used; it only goes up.
    package borrowing func usePartitionID(_ id: UInt64) throws(StoreError) {
        try database.run(
            """
            INSERT INTO meta (key, value) VALUES ('last_partition_id', CAST(?1 AS TEXT)) ON CONFLICT (key)
            DO UPDATE SET value = CAST(max(CAST(value AS INTEGER), ?1) AS TEXT)
            """, [SQLiteValue(id)])
    }

    /// Forgets all but the newest events and ended operations.
    package borrowing func trim(events: Int, operations: Int) throws(StoreError) {
        try database.run(
            "DELETE FROM events WHERE sequence <= (SELECT max(sequence) FROM events) - ?", [.integer(Int64(events))])
        try database.run(
            """
            DELETE FROM operations WHERE status <> 'running' AND id <=
                (SELECT id FROM operations WHERE status <> 'running' ORDER BY id DESC LIMIT 1 OFFSET ?)
            """, [.integer(Int64(operations))])
    }
}
