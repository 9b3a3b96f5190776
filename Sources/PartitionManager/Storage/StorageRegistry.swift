import BlockStorage
import Glibc
import ImageStore
import Synchronization

/// All images and volumes, in memory, as they are in the store, with who uses what. Every question of the kind "may this
/// be used or removed" is asked and answered under one lock.
package final class StorageRegistry: Sendable {
    private struct State {
        var images: [String: ImageResource] = [:]
        var volumes: [String: VolumeResource] = [:]
        /// Those that are being made, changed or (true) removed: no other change may begin.
        var busyImages: [String: Bool] = [:]
        var busyVolumes: [String: Bool] = [:]
        /// How many volumes are being made from an image.
        var makings: [String: Int] = [:]
        /// The VMs whose disks a volume is, and whether they only read it.
        var claims: [String: [String: Bool]] = [:]
    }

    private let state: Mutex<State>
    package let imageFiles: StoreDirectory
    package let volumeFiles: StoreDirectory

    init(stateDirectory: String, images: [ImageResource], volumes: [VolumeResource]) {
        imageFiles = StoreDirectory(stateDirectory + "/images")
        volumeFiles = StoreDirectory(stateDirectory + "/volumes")
        var state = State()
        for image in images { state.images[image.id] = image }
        for volume in volumes { state.volumes[volume.id] = volume }
        self.state = Mutex(state)
    }

    // MARK: Reading

    package func image(_ id: String) -> ImageResource? { state.withLock { $0.images[id] } }
    package func volume(_ id: String) -> VolumeResource? { state.withLock { $0.volumes[id] } }
    package var images: [ImageResource] { state.withLock { $0.images.values.sorted { $0.id < $1.id } } }
    package var volumes: [VolumeResource] { state.withLock { $0.volumes.values.sorted { $0.id < $1.id } } }

    package func users(of volume: String) -> [String] {
        state.withLock { $0.claims[volume].map { $0.keys.sorted() } ?? [] }
    }

    package var summary: StorageSummary {
        state.withLock { state in
            var summary = StorageSummary()
            summary.images = state.images.count
            summary.imageBytes = state.images.values.reduce(0) { $0 &+ $1.fileSize }
            summary.volumes = state.volumes.count
            summary.volumeBytes = state.volumes.values.reduce(0) { $0 &+ $1.size }
            return summary
        }
    }

    /// The disk with what follows from its volume. A volume that is not known leaves it as it is.
    package func resolved(_ disk: DiskSource) -> DiskSource {
        guard let id = disk.volume, let volume = volume(id) else { return disk }
        var disk = disk
        disk.path = volumeFiles.path(of: volume.file)
        disk.format = volume.format
        disk.backing = volume.backingFile.map { imageFiles.path(of: $0) }
        return disk
    }

    /// The directory of the store in which `path` lies, by whatever name; nil: it lies elsewhere. Looks at files.
    package func directory(holding path: String) -> String? {
        guard let real = Self.realPath(path) else { return nil }
        return [imageFiles, volumeFiles].map(\.path).first { directory in
            Self.realPath(directory).map { real.hasPrefix($0 + "/") } ?? false
        }
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    // MARK: One change at a time

    /// Takes an id for an image that is being made.
    func reserveImage(_ id: String) throws(ServiceError) {
        let isFree = state.withLock { state in
            guard state.images[id] == nil, state.busyImages[id] == nil else { return false }
            state.busyImages[id] = false
            return true
        }
        if !isFree { throw Self.exists("an image", id) }
    }

    func releaseImage(_ id: String) { state.withLock { $0.busyImages[id] = nil } }

    /// Takes an id for a volume that is being made, and holds the image that it is made from.
    ///
    /// - Returns: the image.
    func reserveVolume(_ id: String, from image: String?) throws(ServiceError) -> ImageResource? {
        let result: Result<ImageResource?, ServiceError> = state.withLock { state in
            guard state.volumes[id] == nil, state.busyVolumes[id] == nil else {
                return .failure(Self.exists("a volume", id))
            }
            var source: ImageResource?
            if let image {
                guard let known = state.images[image], state.busyImages[image] != true else {
                    return .failure(
                        ServiceError(
                            .invalidArgument, "There is no image with the id '\(image)'.", field: "/image",
                            expected: "the id of an image"))
                }
                source = known
                state.makings[image, default: 0] += 1
            }
            state.busyVolumes[id] = false
            return .success(source)
        }
        return try result.get()
    }

    /// The end of a reservation; the volume may be there by now.
    func releaseVolume(_ id: String, from image: String?) {
        state.withLock { state in
            state.busyVolumes[id] = nil
            guard let image, let count = state.makings[image] else { return }
            state.makings[image] = count > 1 ? count - 1 : nil
        }
    }

    /// Holds an image for a change of it. `isRemoval`: refused where volumes build on it.
    func beginImageChange(
        _ id: String, ifRevision revision: UInt64?, isRemoval: Bool
    ) throws(ServiceError) -> ImageResource {
        let result: Result<ImageResource, ServiceError> = state.withLock { state in
            guard let image = state.images[id] else { return .failure(Self.noImage(id)) }
            if let error = Self.check(revision, image.revision, "image") { return .failure(error) }
            if isRemoval {
                let users = state.volumes.values.filter { $0.backingFile == image.file }.map(\.id).sorted()
                guard users.isEmpty else {
                    return .failure(
                        ServiceError(
                            .wrongState,
                            "The image '\(id)' is in use: the volumes \(Self.list(users)) build on it. Delete them first."
                        ))
                }
                guard state.makings[id] == nil else {
                    return .failure(
                        ServiceError(.operationConflict, "A volume is being made from the image '\(id)' just now."))
                }
            }
            guard state.busyImages[id] == nil else { return .failure(Self.busy("image", id)) }
            state.busyImages[id] = isRemoval
            return .success(image)
        }
        return try result.get()
    }

    /// Holds a volume for a change of it. `isRemoval`: refused where VMs have it.
    func beginVolumeChange(
        _ id: String, ifRevision revision: UInt64?, isRemoval: Bool
    ) throws(ServiceError) -> VolumeResource {
        let result: Result<VolumeResource, ServiceError> = state.withLock { state in
            guard let volume = state.volumes[id] else { return .failure(Self.noVolume(id)) }
            if let error = Self.check(revision, volume.revision, "volume") { return .failure(error) }
            if isRemoval, let users = state.claims[id]?.keys.sorted(), !users.isEmpty {
                return .failure(
                    ServiceError(
                        .wrongState,
                        "The volume '\(id)' is in use: it is a disk of \(users.count == 1 ? "VM" : "the VMs") "
                            + "\(Self.list(users)). Take it away from there, or delete "
                            + "\(users.count == 1 ? "that VM" : "those VMs"), first."))
            }
            guard state.busyVolumes[id] == nil else { return .failure(Self.busy("volume", id)) }
            state.busyVolumes[id] = isRemoval
            return .success(volume)
        }
        return try result.get()
    }

    // MARK: What was committed

    func put(_ image: ImageResource) { state.withLock { $0.images[image.id] = image } }
    func put(_ volume: VolumeResource) { state.withLock { $0.volumes[volume.id] = volume } }
    func removeImage(_ id: String) { state.withLock { $0.images[id] = nil } }
    func removeVolume(_ id: String) { state.withLock { $0.volumes[id] = nil } }

    // MARK: VMs and their volumes

    /// Gives `vm` the volumes among `disks` beside those that it has. All or none.
    ///
    /// - Throws: `.invalidArgument` for a volume that is not there, `.wrongState` that names the VM in the way: one
    ///   volume has one VM that may write it.
    package func claim(_ disks: [DiskSource], vm: String) throws(ServiceError) {
        let failure: ServiceError? = state.withLock { state in
            if let conflict = Self.conflict(state, disks, vm) { return conflict }
            for disk in disks {
                guard let id = disk.volume else { continue }
                // What the VM may write already it keeps until `settle`.
                let before = state.claims[id]?[vm] ?? true
                state.claims[id, default: [:]][vm] = before && disk.isReadOnly
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Whether `claim` would succeed now, for a VM that is not there yet.
    package func checkClaim(_ disks: [DiskSource]) throws(ServiceError) {
        if let failure = state.withLock({ Self.conflict($0, disks, "") }) { throw failure }
    }

    private static func conflict(_ state: borrowing State, _ disks: [DiskSource], _ vm: String) -> ServiceError? {
        for (index, disk) in disks.enumerated() {
            guard let id = disk.volume else { continue }
            let field = "/disks/\(index)/volume"
            // One that is being removed is as good as gone; one that grows is there.
            guard state.volumes[id] != nil, state.busyVolumes[id] != true else {
                return ServiceError(
                    .invalidArgument, "Disk '\(disk.id)': there is no volume with the id '\(id)'.", field: field,
                    expected: "the id of a volume")
            }
            guard !disk.isReadOnly, let other = state.claims[id]?.first(where: { $0.key != vm && !$0.value }) else {
                continue
            }
            return ServiceError(
                .wrongState,
                "Disk '\(disk.id)': the volume '\(id)' is a disk of VM '\(other.key)', which may write it; two VMs can't "
                    + "both.", field: field, expected: "a volume of its own, or readOnly")
        }
        return nil
    }

    /// Makes the volumes of `disks` those that `vm` has; none where it is gone.
    package func settle(_ disks: [DiskSource], vm: String) {
        state.withLock { state in
            for id in state.claims.keys where state.claims[id]?[vm] != nil {
                state.claims[id]?[vm] = nil
                if state.claims[id]?.isEmpty == true { state.claims[id] = nil }
            }
            for disk in disks {
                guard let id = disk.volume else { continue }
                let before = state.claims[id]?[vm] ?? true
                state.claims[id, default: [:]][vm] = before && disk.isReadOnly
            }
        }
    }

    // MARK: Words

    static func noImage(_ id: String) -> ServiceError {
        ServiceError(.notFound, "There is no image with the id '\(id)'.")
    }

    static func noVolume(_ id: String) -> ServiceError {
        ServiceError(.notFound, "There is no volume with the id '\(id)'.")
    }

    private static func exists(_ what: String, _ id: String) -> ServiceError {
        ServiceError(
            .alreadyExists, "There is \(what) with the id '\(id)' (or it is being made or deleted just now).",
            field: "/id", expected: "an id that is free")
    }

    private static func busy(_ what: String, _ id: String) -> ServiceError {
        ServiceError(.operationConflict, "The \(what) '\(id)' is being changed or deleted by another request.")
    }

    private static func check(_ wanted: UInt64?, _ revision: UInt64, _ what: String) -> ServiceError? {
        guard let wanted, wanted != revision else { return nil }
        return ServiceError(
            .preconditionFailed,
            "The \(what) has changed: its revision is \(revision), not \(wanted). Read it again and decide anew.")
    }

    /// Ids for a message, not all of a thousand.
    private static func list(_ ids: [String]) -> String {
        let shown = ids.prefix(10).map { "'\($0)'" }.joined(separator: ", ")
        return ids.count > 10 ? "\(shown) and \(ids.count - 10) more" : shown
    }
}
