import BlockStorage
import ImageStore
import LinuxSystem
import Log

extension StorageManager {
    /// Begins to import a file of the host: the operation is durable when this returns, and its work goes on.
    package func importImage(
        _ request: ImageRequest, path: String
    ) async throws(ServiceError) -> OperationResource {
        try registry.reserveImage(request.id)
        let operation: StoredOperation
        do throws(ServiceError) {
            operation = try await begin(.importImage, image: request.id)
        } catch {
            registry.releaseImage(request.id)
            throw error
        }
        Task {
            do throws(ServiceError) {
                try await self.performImport(request, path, operation)
            } catch {
                self.registry.releaseImage(request.id)
                await self.end(operation, error)
            }
        }
        return operation.resource
    }

    private func performImport(
        _ request: ImageRequest, _ path: String, _ operation: StoredOperation
    ) async throws(ServiceError) {
        let (core, directory) = (core, registry.imageFiles)
        let (result, file) = try await run(on: copies) { () throws(StorageFailure) in
            let writer = try ImageWriter(directory)
            try writer.copy(from: path) { core.isEnding }
            return try Self.finish(writer, request)
        }
        _ = try await define(request, result, file, Self.ended(operation, nil))
    }

    /// Looks at what was written and gives it its name. Blocks.
    static func finish(
        _ writer: ImageWriter, _ request: ImageRequest
    ) throws(StorageFailure) -> (result: ImageWriter.Result, file: String) {
        var name = ""
        let result = try writer.finish(declared: request.format, expected: request.digest) { format in
            name = fileName(request.id, format)
            return name
        }
        return (result, name)
    }

    /// Writes the row of an image whose file is on the disk, and gives its id free.
    func define(
        _ request: ImageRequest, _ result: ImageWriter.Result, _ file: String, _ operation: StoredOperation?
    ) async throws(ServiceError) -> ImageResource {
        let now = realtimeNanoseconds()
        let image = ImageResource(
            id: request.id, format: result.description.format, virtualSize: result.description.virtualSize,
            fileSize: result.byteCount, digest: result.digest, labels: request.labels, file: file, createdAt: now,
            updatedAt: now, revision: 1)
        let registry = registry
        var events = [event("image.created", image: image.id)]
        if let operation { events.append(event("operation.ended", of: operation.resource)) }
        do throws(ServiceError) {
            try await commit(events, operation) { transaction throws(StoreError) in
                try transaction.putImage(image)
            } published: {
                registry.put(image)
                // Who sees the image, or its operation's end, can change it.
                registry.releaseImage(image.id)
            }
        } catch {
            await remove(file, in: registry.imageFiles)
            throw error
        }
        Log.info("an image is there", ["image": image.id, "bytes": String(image.fileSize), "sha256": image.digest])
        return image
    }

    /// Changes the labels, where the image's revision is `revision` if that is given.
    package func updateImage(
        _ id: String, _ patch: StoragePatch, ifRevision revision: UInt64?,
        validate: ([String: String]) throws(ServiceError) -> Void
    ) async throws(ServiceError) -> ImageResource {
        var image = try registry.beginImageChange(id, ifRevision: revision, isRemoval: false)
        defer { registry.releaseImage(id) }
        let labels = patch.applied(to: image.labels)
        try validate(labels)
        guard labels != image.labels else { return image }
        image.labels = labels
        image.revision += 1
        image.updatedAt = realtimeNanoseconds()
        let (changed, registry) = (image, registry)
        try await commit([event("image.updated", image: id)]) { transaction throws(StoreError) in
            try transaction.putImage(changed)
        } published: {
            registry.put(changed)
        }
        return image
    }

    package func deleteImage(_ id: String, ifRevision revision: UInt64?) async throws(ServiceError) {
        let image = try registry.beginImageChange(id, ifRevision: revision, isRemoval: true)
        defer { registry.releaseImage(id) }
        let registry = registry
        try await commit([event("image.deleted", image: id)]) { transaction throws(StoreError) in
            try transaction.deleteImage(id)
        } published: {
            registry.removeImage(id)
        }
        await remove(image.file, in: registry.imageFiles)
    }
}
