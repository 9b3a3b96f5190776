/// Opens the image that a client named.
package enum BlockImages {
    /// - Throws: `BlockStorageError` that says why the image can't be used, or that it is in use.
    package static func open(_ source: DiskSource) throws(BlockStorageError) -> any BlockImage {
        switch source.format {
        case .raw: return try RawImage(source.path, isReadOnly: source.isReadOnly, cache: source.cache)
        case .qcow2: throw BlockStorageError("\(source.path): this version opens raw images only, not qcow2")
        }
    }
}
