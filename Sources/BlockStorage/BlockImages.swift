/// Opens the image that a client named.
package enum BlockImages {
    /// Whether this host has what images of the format need.
    package static func canServe(_ format: DiskSource.Format) -> Bool {
        switch format {
        case .raw: true
        case .qcow2: QemuServer.program != nil
        }
    }

    /// - Parameters:
    ///   - directory: where the sockets of images that another program serves are made.
    ///   - queues: how many engines there are at a time.
    /// - Throws: `BlockStorageError` that says why the image can't be used, or that it is in use.
    package static func open(
        _ source: DiskSource, directory: String, queues: Int
    ) throws(BlockStorageError) -> any BlockImage {
        switch source.format {
        case .raw: return try RawImage(source.path, isReadOnly: source.isReadOnly, cache: source.cache)
        case .qcow2: return try QemuImage(source, directory: directory, connections: queues)
        }
    }
}
