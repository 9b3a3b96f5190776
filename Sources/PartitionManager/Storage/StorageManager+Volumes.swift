import BlockStorage
import ImageStore
import LinuxSystem
import Log

extension StorageManager {
    /// Begins to make a volume: the operation is durable when this returns, and its work goes on.
    package func createVolume(_ request: VolumeRequest) async throws(ServiceError) -> OperationResource {
        let image = try registry.reserveVolume(request.id, from: request.image)
        let operation: StoredOperation
        do throws(ServiceError) {
            if let image, let size = request.size, size < image.virtualSize {
                throw ServiceError(
                    .invalidArgument,
                    "The volume would have \(size) bytes and its image '\(image.id)' has \(image.virtualSize); a volume is "
                        + "at least as large as its image.", field: "/size", expected: "at least \(image.virtualSize)")
            }
            operation = try await begin(.createVolume, volume: request.id)
        } catch {
            registry.releaseVolume(request.id, from: request.image)
            throw error
        }
        Task {
            do throws(ServiceError) {
                try await self.performCreate(request, image, operation)
            } catch {
                self.registry.releaseVolume(request.id, from: request.image)
                await self.end(operation, error)
            }
        }
        return operation.resource
    }

    private func performCreate(
        _ request: VolumeRequest, _ image: ImageResource?, _ operation: StoredOperation
    ) async throws(ServiceError) {
        let (core, volumeFiles) = (core, volumeFiles)
        // What takes no time does not wait for copies that do.
        let pool = image == nil || request.method == .overlay ? files : copies
        let volume = try await run(on: pool) { () throws(StorageFailure) in
            try Self.make(request, image, volumeFiles) { core.isEnding }
        }
        let (registry, ended) = (registry, Self.ended(operation, nil))
        let events = [
            event("volume.created", volume: volume.id), event("operation.ended", of: ended.resource),
        ]
        do throws(ServiceError) {
            try await commit(events, ended) { transaction throws(StoreError) in
                try transaction.putVolume(volume)
            } published: {
                registry.put(volume)
                // Who sees the operation's end can change the volume.
                registry.releaseVolume(volume.id, from: volume.image)
            }
        } catch {
            await remove(volume.file, in: registry.volumeFiles)
            throw error
        }
        Log.info("a volume is there", ["volume": volume.id, "bytes": String(volume.size)])
    }

    /// Makes the volume's file. Blocks.
    private static func make(
        _ request: VolumeRequest, _ image: ImageResource?, _ files: VolumeFiles, isCancelled: @escaping () -> Bool
    ) throws(StorageFailure) -> VolumeResource {
        let now = realtimeNanoseconds()
        var volume = VolumeResource(
            id: request.id, format: image?.format ?? .raw, size: request.size ?? image?.virtualSize ?? 0,
            image: image?.id, method: image == nil ? nil : request.method, backingFile: nil, labels: request.labels,
            file: "", createdAt: now, updatedAt: now, revision: 1)
        if request.method == .overlay, image != nil { volume.format = .qcow2 }
        volume.file = fileName(request.id, volume.format)
        guard let image else {
            try files.makeBlank(volume.file, size: volume.size)
            return volume
        }
        switch request.method {
        case .overlay:
            volume.backingFile = image.file
            try files.makeOverlay(volume.file, of: image.file, format: image.format, size: request.size)
            return volume
        case .reflink: try files.makeReflink(volume.file, of: image.file)
        case .fullCopy: try files.makeCopy(volume.file, of: image.file, isCancelled: isCancelled)
        case .auto:
            do throws(StorageFailure) {
                try files.makeReflink(volume.file, of: image.file)
                volume.method = .reflink
            } catch {
                guard error.kind == .unsupported else { throw error }
                try files.makeCopy(volume.file, of: image.file, isCancelled: isCancelled)
                volume.method = .fullCopy
            }
        }
        guard volume.size > image.virtualSize else { return volume }
        do throws(StorageFailure) {
            try files.grow(volume.file, format: volume.format, to: volume.size)
        } catch {
            try? files.directory.remove(volume.file)
            throw error
        }
        return volume
    }

    /// A volume as it is shown.
    package func status(of volume: VolumeResource) async -> VolumeStatus {
        let directory = registry.volumeFiles
        let bytes = await files.run { directory.bytesOnDisk(volume.file) }
        return VolumeStatus(volume: volume, bytesOnDisk: bytes, users: registry.users(of: volume.id))
    }

    /// Changes labels and size, where the volume's revision is `revision` if that is given. It grows before its row
    /// says so: a crash between leaves it larger than was asked for once, and the request unanswered.
    package func updateVolume(
        _ id: String, _ patch: StoragePatch, ifRevision revision: UInt64?,
        validate: ([String: String]) throws(ServiceError) -> Void
    ) async throws(ServiceError) -> VolumeResource {
        var volume = try registry.beginVolumeChange(id, ifRevision: revision, isRemoval: false)
        defer { registry.releaseVolume(id, from: nil) }
        let labels = patch.applied(to: volume.labels)
        try validate(labels)
        if let size = patch.size, size != volume.size {
            guard size > volume.size else {
                throw ServiceError(
                    .invalidArgument, "The volume has \(volume.size) bytes; it can only become larger, not \(size).",
                    field: "/size", expected: "at least \(volume.size)")
            }
            try checkCanGrow(volume)
            let (name, format, files) = (volume.file, volume.format, volumeFiles)
            try await run(on: self.files) { () throws(StorageFailure) in
                try files.grow(name, format: format, to: size)
            }
        }
        let before = volume
        volume.labels = labels
        volume.size = patch.size ?? volume.size
        guard volume != before else { return volume }
        volume.revision += 1
        volume.updatedAt = realtimeNanoseconds()
        let (changed, registry) = (volume, registry)
        try await commit([event("volume.updated", volume: id)]) { transaction throws(StoreError) in
            try transaction.putVolume(changed)
        } published: {
            registry.put(changed)
        }
        return volume
    }

    /// A qcow2 image is its qemu-nbd's while a guest runs; a raw one can grow under it.
    private func checkCanGrow(_ volume: VolumeResource) throws(ServiceError) {
        guard volume.format != .raw else { return }
        for user in registry.users(of: volume.id) {
            guard let vm = core.vms[user]?.entry.resource, !LifecycleRules.isOff(vm.state) else { continue }
            throw ServiceError(
                .wrongState,
                "The volume is qcow2 and a disk of VM '\(user)', which is \(vm.state.rawValue): such a volume grows while "
                    + "its VM is off; a raw one also grows while it runs.", field: "/size")
        }
    }

    package func deleteVolume(_ id: String, ifRevision revision: UInt64?) async throws(ServiceError) {
        let volume = try registry.beginVolumeChange(id, ifRevision: revision, isRemoval: true)
        defer { registry.releaseVolume(id, from: nil) }
        let registry = registry
        try await commit([event("volume.deleted", volume: id)]) { transaction throws(StoreError) in
            try transaction.deleteVolume(id)
        } published: {
            registry.removeVolume(id)
        }
        await remove(volume.file, in: registry.volumeFiles)
    }
}
