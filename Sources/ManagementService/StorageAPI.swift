import PartitionManager

/// What a front end can ask of images and volumes. Errors are `ServiceError`. A change is durable when its call returns.
package protocol StorageAPI: Sendable {
    /// In the order of ids. `after` is the id after which to go on.
    func listImages(after: String?, limit: Int, labels: [String: String]) -> (images: [ImageResource], more: Bool)
    func image(_ id: String) throws(ServiceError) -> ImageResource
    /// Begins to import the file or block device `path` of the host.
    func importImage(_ request: ImageRequest, path: String) async throws(ServiceError) -> OperationResource
    /// Begins an image that comes piece by piece. Does not wait.
    ///
    /// - Parameter size: bytes, where the client says.
    func uploadImage(_ request: ImageRequest, size: UInt64?) throws(ServiceError) -> any ImageReceiver
    func updateImage(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> ImageResource
    func deleteImage(_ id: String, ifRevision: UInt64?) async throws(ServiceError)

    func listVolumes(
        after: String?, limit: Int, labels: [String: String]
    ) async -> (volumes: [VolumeStatus], more: Bool)
    func volume(_ id: String) async throws(ServiceError) -> VolumeStatus
    func createVolume(_ request: VolumeRequest) async throws(ServiceError) -> OperationResource
    func updateVolume(
        _ id: String, _ patch: StoragePatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> VolumeStatus
    func deleteVolume(_ id: String, ifRevision: UInt64?) async throws(ServiceError)
}

/// Takes an image from a client. One call at a time; it ends with `finish` or `cancel`, or when it goes away.
package protocol ImageReceiver: AnyObject, Sendable {
    func write(_ bytes: [UInt8]) async throws(ServiceError)
    /// All of it was written: the image is there and durable when this returns.
    func finish() async throws(ServiceError) -> ImageResource
    /// Nothing comes any more. Does not wait; does nothing after the end.
    func cancel()
}

extension ImageUpload: ImageReceiver {}
