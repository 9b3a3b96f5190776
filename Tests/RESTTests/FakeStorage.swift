import BlockStorage
import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization

/// Images and volumes that are values: an upload is counted and forgotten.
final class FakeStorage: Sendable {
    struct State {
        var images: [String: ImageResource] = [:]
        /// Of the upload under way or the last one.
        var written = 0
        var largestPiece = 0
        var sum: UInt64 = 0
        var cancellations = 0
        /// A write after so many bytes fails.
        var failsAfter: Int?
        /// Nanoseconds that each write takes.
        var delay: UInt64 = 0
    }

    let state = Mutex(State())

    static func image(_ request: ImageRequest, bytes: Int) -> ImageResource {
        ImageResource(
            id: request.id, format: request.format ?? .raw, virtualSize: UInt64(bytes), fileSize: UInt64(bytes),
            digest: request.digest ?? "", labels: request.labels, file: "f", createdAt: 1, updatedAt: 2, revision: 3)
    }
}

private final class FakeReceiver: ImageReceiver {
    private let storage: FakeStorage
    private let request: ImageRequest
    private let isOver = Mutex(false)

    init(_ storage: FakeStorage, _ request: ImageRequest) {
        self.storage = storage
        self.request = request
    }

    func write(_ bytes: [UInt8]) async throws(ServiceError) {
        let delay = storage.state.withLock { $0.delay }
        if delay > 0 { try? await Task.sleep(nanoseconds: delay) }
        let fails = storage.state.withLock { state in
            state.written += bytes.count
            state.largestPiece = max(state.largestPiece, bytes.count)
            state.sum = bytes.reduce(state.sum) { $0 &* 31 &+ UInt64($1) }
            return state.failsAfter.map { state.written > $0 } ?? false
        }
        if fails { throw ServiceError(.insufficientResources, "The disk is full.") }
    }

    func finish() async throws(ServiceError) -> ImageResource {
        isOver.withLock { $0 = true }
        return storage.state.withLock { state in
            let image = FakeStorage.image(request, bytes: state.written)
            state.images[image.id] = image
            return image
        }
    }

    func cancel() {
        let isFirst = isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        if isFirst { storage.state.withLock { $0.cancellations += 1 } }
    }
}

extension FakeService {
    func listImages(
        after: String?, limit: Int, labels: [String: String]
    ) -> (images: [ImageResource], more: Bool) {
        (storage.state.withLock { $0.images.values.sorted { $0.id < $1.id } }, false)
    }

    func image(_ id: String) throws(ServiceError) -> ImageResource {
        guard let image = storage.state.withLock({ $0.images[id] }) else {
            throw ServiceError(.notFound, "There is no image '\(id)'.")
        }
        return image
    }

    func importImage(_ request: ImageRequest, path: String) async throws(ServiceError) -> OperationResource {
        throw ServiceError(.notImplemented, "A fake copies nothing.")
    }

    func uploadImage(_ request: ImageRequest, size: UInt64?) throws(ServiceError) -> any ImageReceiver {
        let isKnown = storage.state.withLock { state in
            guard state.images[request.id] == nil else { return true }
            (state.written, state.largestPiece, state.sum) = (0, 0, 0)
            return false
        }
        if isKnown { throw ServiceError(.alreadyExists, "There is an image '\(request.id)'.", field: "/id") }
        return FakeReceiver(storage, request)
    }

    func updateImage(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> ImageResource { try image(id) }

    func deleteImage(_ id: String, ifRevision: UInt64?) async throws(ServiceError) {
        _ = try image(id)
        storage.state.withLock { $0.images[id] = nil }
    }

    func listVolumes(
        after: String?, limit: Int, labels: [String: String]
    ) async -> (volumes: [VolumeStatus], more: Bool) { ([], false) }

    func volume(_ id: String) async throws(ServiceError) -> VolumeStatus {
        throw ServiceError(.notFound, "There is no volume '\(id)'.")
    }

    func createVolume(_ request: VolumeRequest) async throws(ServiceError) -> OperationResource {
        throw ServiceError(.notImplemented, "A fake makes no volumes.")
    }

    func updateVolume(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> VolumeStatus { try await volume(id) }

    func deleteVolume(_ id: String, ifRevision: UInt64?) async throws(ServiceError) { _ = try await volume(id) }
}
