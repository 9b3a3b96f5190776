import ImageStore
import LinuxSystem
import Log
import Synchronization

extension StorageManager {
    /// How many uploads there may be at a time.
    package static let maximumUploads = 16

    /// Takes the id of an image that comes from a client. Does not wait: called where the client's header is read.
    ///
    /// - Parameter size: bytes, where the client says.
    /// - Throws: what is wrong with the upload before a byte of it is there.
    package func beginUpload(_ request: ImageRequest, size: UInt64?) throws(ServiceError) -> ImageUpload {
        if let size, let available = registry.imageFiles.bytesAvailable(), size > available {
            throw ServiceError(
                .insufficientResources,
                "The image has \(size) bytes; the file system of \(registry.imageFiles.path) has \(available) left for "
                    + "images.")
        }
        guard uploads.add(1, ordering: .relaxed).newValue <= Self.maximumUploads else {
            uploads.subtract(1, ordering: .relaxed)
            throw ServiceError(
                .unavailable, "\(Self.maximumUploads) images are being uploaded just now; try again after one of them.")
        }
        do throws(ServiceError) {
            try registry.reserveImage(request.id)
        } catch {
            uploads.subtract(1, ordering: .relaxed)
            throw error
        }
        return ImageUpload(self, request)
    }
}

/// An image on its way from a client. One call at a time; it ends with `finish` or `cancel`, or when it goes away.
package final class ImageUpload: Sendable {
    /// The file, which is made with the first bytes. Its lock is held while the disk is waited for: only threads that
    /// may wait take it.
    private final class Target: Sendable {
        let writer = Mutex<ImageWriter?>(nil)
    }

    private let storage: StorageManager
    private let request: ImageRequest
    private let target = Target()
    private let isOver = Atomic<Bool>(false)

    init(_ storage: StorageManager, _ request: ImageRequest) {
        self.storage = storage
        self.request = request
    }

    deinit { cancel() }

    /// Appends to the image.
    package func write(_ bytes: [UInt8]) async throws(ServiceError) {
        do throws(ServiceError) {
            try await storage.run(on: storage.files) { [self] () throws(StorageFailure) in try take(bytes) }
        } catch {
            await giveUp()
            throw error
        }
        storage.uploaded.add(UInt64(bytes.count), ordering: .relaxed)
    }

    /// All of the image was written: it is there and durable when this returns.
    package func finish() async throws(ServiceError) -> ImageResource {
        let (result, file): (ImageWriter.Result, String)
        do throws(ServiceError) {
            (result, file) = try await storage.run(on: storage.files) { [self] () throws(StorageFailure) in
                try take([])
                guard let writer = target.writer.withLock({ $0.take() }) else { throw Self.ended }
                return try StorageManager.finish(writer, request)
            }
        } catch {
            await giveUp()
            throw error
        }
        // From here on the end of the client changes nothing.
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else {
            await storage.remove(file, in: storage.registry.imageFiles)
            throw ServiceError(Self.ended)
        }
        storage.uploads.subtract(1, ordering: .relaxed)
        do throws(ServiceError) {
            return try await storage.define(request, result, file, nil)
        } catch {
            storage.registry.releaseImage(request.id)
            throw error
        }
    }

    /// Nothing comes any more: what there is is removed, and the id is free. Does not wait; does nothing after the end.
    package func cancel() {
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        storage.uploads.subtract(1, ordering: .relaxed)
        let (storage, target, id) = (storage, target, request.id)
        Task {
            await storage.files.run { target.writer.withLock { $0 = nil } }
            storage.registry.releaseImage(id)
        }
    }

    /// As `cancel`, but all is gone and the id is free when this returns: the client that is told of the failure may
    /// begin again at once.
    private func giveUp() async {
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        storage.uploads.subtract(1, ordering: .relaxed)
        let target = target
        await storage.files.run { target.writer.withLock { $0 = nil } }
        storage.registry.releaseImage(request.id)
    }

    private static let ended = StorageFailure(.cancelled, "The upload has ended")

    private func take(_ bytes: [UInt8]) throws(StorageFailure) {
        let failure: StorageFailure? = target.writer.withLock { writer in
            do throws(StorageFailure) {
                guard !isOver.load(ordering: .acquiring) else { throw Self.ended }
                let directory = storage.registry.imageFiles
                let current: ImageWriter
                if let writer { current = writer } else { current = try ImageWriter(directory) }
                writer = current
                try current.write(bytes)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }
}
