import BlockStorage
import Hypervisor
import ImageStore
import PartitionManager

extension ManagementService {
    private var storage: StorageManager { manager.storage }

    // MARK: Images

    package func listImages(
        after: String?, limit: Int, labels: [String: String]
    ) -> (images: [ImageResource], more: Bool) {
        let page = Self.page(storage.registry.images, after, limit, labels, id: \.id, labels: \.labels)
        return (page.items, page.more)
    }

    package func image(_ id: String) throws(ServiceError) -> ImageResource {
        guard let image = storage.registry.image(id) else {
            throw ServiceError(.notFound, "There is no image with the id '\(id)'.")
        }
        return image
    }

    package func importImage(
        _ request: ImageRequest, path: String
    ) async throws(ServiceError) -> OperationResource {
        try manager.checkReady()
        try Validation.check(request)
        try Validation.check(path: path, field: "/path", also: "")
        return try await storage.importImage(request, path: path)
    }

    package func uploadImage(_ request: ImageRequest, size: UInt64?) throws(ServiceError) -> any ImageReceiver {
        try manager.checkReady()
        try Validation.check(request)
        return try storage.beginUpload(request, size: size)
    }

    package func updateImage(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> ImageResource {
        try manager.checkReady()
        return try await storage.updateImage(id, patch, ifRevision: ifRevision) { labels throws(ServiceError) in
            try Validation.check(labels: labels)
        }
    }

    package func deleteImage(_ id: String, ifRevision: UInt64?) async throws(ServiceError) {
        try manager.checkReady()
        try await storage.deleteImage(id, ifRevision: ifRevision)
    }

    // MARK: Volumes

    package func listVolumes(
        after: String?, limit: Int, labels: [String: String]
    ) async -> (volumes: [VolumeStatus], more: Bool) {
        let page = Self.page(storage.registry.volumes, after, limit, labels, id: \.id, labels: \.labels)
        var volumes: [VolumeStatus] = []
        for volume in page.items { volumes.append(await storage.status(of: volume)) }
        return (volumes, page.more)
    }

    package func volume(_ id: String) async throws(ServiceError) -> VolumeStatus {
        guard let volume = storage.registry.volume(id) else {
            throw ServiceError(.notFound, "There is no volume with the id '\(id)'.")
        }
        return await storage.status(of: volume)
    }

    package func createVolume(_ request: VolumeRequest) async throws(ServiceError) -> OperationResource {
        try manager.checkReady()
        try Validation.check(request)
        let needsTool = request.image.flatMap { storage.registry.image($0) }.map { image in
            request.method == .overlay || (image.format == .qcow2 && (request.size ?? 0) > image.virtualSize)
        }
        if needsTool == true, HostTool.qemuImage() == nil {
            throw ServiceError(
                .notImplemented,
                "This host has no qemu-img, which makes and resizes qcow2 volumes (Debian: qemu-utils).",
                field: "/method", expected: "fullCopy, reflink or auto, as large as the image")
        }
        return try await storage.createVolume(request)
    }

    package func updateVolume(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> VolumeStatus {
        try manager.checkReady()
        if let size = patch.size { try Validation.check(volumeSize: size) }
        let volume = try await storage.updateVolume(id, patch, ifRevision: ifRevision) {
            labels throws(ServiceError) in try Validation.check(labels: labels)
        }
        return await storage.status(of: volume)
    }

    package func deleteVolume(_ id: String, ifRevision: UInt64?) async throws(ServiceError) {
        try manager.checkReady()
        try await storage.deleteVolume(id, ifRevision: ifRevision)
    }

    // MARK: VMs

    /// The specification with what follows from the volumes that its disks name.
    ///
    /// - Throws: `.invalidArgument` for a volume that is not there.
    func resolvingVolumes(_ specification: VMSpecification) throws(ServiceError) -> VMSpecification {
        var specification = specification
        let registry = storage.registry
        for (index, disk) in specification.disks.enumerated() {
            guard let volume = disk.volume else { continue }
            guard registry.volume(volume) != nil else {
                throw ServiceError(
                    .invalidArgument, "Disk '\(disk.id)': there is no volume with the id '\(volume)'.",
                    field: "/disks/\(index)/volume", expected: "the id of a volume")
            }
            specification.disks[index] = registry.resolved(disk)
        }
        return specification
    }

    /// - Throws: `.notImplemented` where the host can't make the disk that the VM's cloud-init reads.
    func checkCloudInit(_ specification: VMSpecification) throws(ServiceError) {
        guard specification.cloudInit != nil, !manager.hypervisor.isSimulated, !SeedDisk.isAvailable else { return }
        throw ServiceError(
            .notImplemented, "This VM has cloudInit, and \(SeedDisk.missingTool).", field: "/cloudInit",
            expected: "nothing")
    }

    static func page<Item>(
        _ items: [Item], _ after: String?, _ limit: Int, _ wanted: [String: String], id: KeyPath<Item, String>,
        labels: KeyPath<Item, [String: String]>
    ) -> (items: [Item], more: Bool) {
        let matching = items.lazy.filter { item in
            after.map { item[keyPath: id] > $0 } ?? true
                && wanted.allSatisfy { item[keyPath: labels][$0.key] == $0.value }
        }
        let found = Array(matching.prefix(max(0, limit) + 1))
        return (Array(found.prefix(max(0, limit))), found.count > limit)
    }
}
