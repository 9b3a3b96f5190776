import BlockStorage
import Glibc
import ImageStore
import LinuxSystem
import Log
import Synchronization

/// Images and volumes: their files, their rows, and the operations that make them.
///
/// A file is whole and on the disk before its row is written, and its row is gone before the file is removed. So no row
/// names a file that is not there, and what a crash leaves is a file that no row names: the next start removes it.
package final class StorageManager: Sendable {
    let core: ManagerCore
    /// For steps that wait for the disk and are short.
    let files: BlockingPool
    /// For copies, which take as long as images are large.
    let copies: BlockingPool
    let uploaded = Atomic<UInt64>(0)
    let uploads = Atomic<Int>(0)
    /// Operations of an earlier server, which ended with it.
    private let interrupted: [StoredOperation]

    package var registry: StorageRegistry { core.storage }
    var volumeFiles: VolumeFiles { VolumeFiles(directory: registry.volumeFiles, images: registry.imageFiles) }

    package var summary: StorageSummary {
        var summary = registry.summary
        summary.uploadedBytes = uploaded.load(ordering: .relaxed)
        return summary
    }

    /// Makes the directories and removes what a crash left in them. Blocks; for the start of a program.
    init(core: ManagerCore, interrupted: [StoredOperation]) throws(StoreError) {
        self.core = core
        self.interrupted = interrupted
        do throws(Errno) {
            files = try BlockingPool(name: "storage", threads: 2)
            copies = try BlockingPool(name: "image-copies", threads: 2)
            let known = [
                (core.storage.imageFiles, Set(core.storage.images.map(\.file))),
                (core.storage.volumeFiles, Set(core.storage.volumes.map(\.file))),
            ]
            for (directory, files) in known {
                try DirectoryTree.create(directory.path)
                for name in try directory.removeAllBut(files) {
                    Log.info("removed an unfinished file", ["file": directory.path(of: name)])
                }
                for file in files where directory.bytesOnDisk(file) == nil {
                    Log.error("a file of the store is missing", ["file": directory.path(of: file)])
                }
            }
        } catch {
            throw StoreError(.inputOutput, "the directories of images and volumes can't be made: \(error)")
        }
    }

    /// Ends the operations that were under way when an earlier server ended.
    func start() async {
        for operation in interrupted {
            await end(operation, ServiceError(.unavailable, "The server ended while this was under way; ask again."))
        }
    }

    func close() {
        files.close()
        copies.close()
    }

    // MARK: Operations and rows

    /// An operation that is under way; durable when this returns.
    func begin(
        _ verb: OperationResource.Verb, image: String? = nil, volume: String? = nil
    ) async throws(ServiceError) -> StoredOperation {
        var resource = OperationResource(
            id: core.operationIDs.next(), verb: verb, vmID: "", status: .running, error: nil,
            createdAt: realtimeNanoseconds(), endedAt: nil)
        resource.imageID = image
        resource.volumeID = volume
        let operation = StoredOperation(resource: resource, timeout: nil)
        try await commit([event("operation.created", of: resource)], operation) { _ throws(StoreError) in
        } published: {
        }
        return operation
    }

    /// The end of an operation that failed. It is tried until the store takes it or ends.
    func end(_ operation: StoredOperation, _ error: ServiceError) async {
        let ended = Self.ended(operation, error)
        var pause: UInt64 = 50_000_000
        while !core.isEnding {
            do throws(ServiceError) {
                return try await commit([event("operation.ended", of: ended.resource)], ended) { _ throws(StoreError) in
                } published: {
                }
            } catch {
                Log.error("the end of an operation could not be stored", ["error": error.detail])
                try? await Task.sleep(nanoseconds: pause)
                pause = min(pause * 2, 5_000_000_000)
            }
        }
    }

    static func ended(_ operation: StoredOperation, _ error: ServiceError?) -> StoredOperation {
        var ended = operation
        ended.resource.status = error == nil ? .succeeded : .failed
        ended.resource.error = error
        ended.resource.endedAt = realtimeNanoseconds()
        return ended
    }

    /// Writes a change, its events and its operation in one transaction, and shows it when that is durable.
    func commit(
        _ events: [PendingEvent], _ operation: StoredOperation? = nil,
        write: @escaping @Sendable (borrowing StoreTransaction) throws(StoreError) -> Void,
        published: @escaping @Sendable () -> Void
    ) async throws(ServiceError) {
        let core = core
        do throws(StoreError) {
            try await core.store.write(
                { transaction throws(StoreError) in
                    try write(transaction)
                    if let operation { try transaction.putOperation(operation) }
                    var records: [EventRecord] = []
                    for event in events { records.append(try transaction.appendEvent(event)) }
                    return records
                },
                committed: { records in
                    published()
                    core.events.append(records)
                    if let operation { core.operations.put([operation.resource]) }
                    core.events.notify()
                })
        } catch {
            throw ServiceError(error)
        }
    }

    func event(_ type: String, image: String) -> PendingEvent {
        PendingEvent(time: realtimeNanoseconds(), type: type, vmID: "", details: [("image", image)])
    }

    func event(_ type: String, volume: String) -> PendingEvent {
        PendingEvent(time: realtimeNanoseconds(), type: type, vmID: "", details: [("volume", volume)])
    }

    func event(_ type: String, of operation: OperationResource) -> PendingEvent {
        var details = [("operationId", operation.id), ("status", operation.status.rawValue)]
        if let image = operation.imageID { details.append(("image", image)) }
        if let volume = operation.volumeID { details.append(("volume", volume)) }
        return PendingEvent(time: realtimeNanoseconds(), type: type, vmID: "", details: details)
    }

    // MARK: Helpers

    /// A name that no other file of the store ever had: a file that is being removed can't be one that is being made.
    static func fileName(_ id: String, _ format: DiskSource.Format) -> String {
        "\(id)-\(Identifiers.random(digits: 12)).\(format.rawValue)"
    }

    /// Runs what waits for the disk on one of `pool`'s threads.
    func run<T: Sendable>(
        on pool: BlockingPool, _ body: @escaping @Sendable () throws(StorageFailure) -> T
    ) async throws(ServiceError) -> T {
        let result: Result<T, StorageFailure> = await pool.run {
            do throws(StorageFailure) { return .success(try body()) } catch { return .failure(error) }
        }
        do {
            return try result.get()
        } catch {
            throw ServiceError(error)
        }
    }

    func remove(_ file: String, in directory: StoreDirectory) async {
        let failure: Errno? = await files.run {
            do throws(Errno) {
                try directory.remove(file)
                return nil
            } catch {
                return error
            }
        }
        if let failure {
            // The next start tries again: no row names it.
            Log.warning("a file could not be removed", ["file": directory.path(of: file), "error": "\(failure)"])
        }
    }
}

extension ServiceError {
    /// How a failure of the store's files is answered: nothing was accepted.
    init(_ failure: StorageFailure) {
        let detail = "\(failure.description.prefix(1).uppercased())\(failure.description.dropFirst())."
        switch failure.kind {
        case .invalid: self.init(.invalidImage, detail)
        case .unreadable: self.init(.invalidImage, detail, field: "/path", expected: "a readable file")
        case .full: self.init(.insufficientResources, detail)
        case .unsupported:
            self.init(.notImplemented, detail, field: "/method", expected: "fullCopy, overlay or auto")
        case .missingTool: self.init(.notImplemented, detail)
        case .cancelled: self.init(.unavailable, detail)
        case .failed: self.init(.unavailable, detail)
        }
    }
}
