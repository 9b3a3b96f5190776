/// Reads the kept console log of a VM from its directory. Behind a protocol because the log's format belongs to the
/// workers' side.
package protocol ConsoleLogReader: Sendable {
    /// Up to `limit` bytes from `offset`; an older offset than what is kept moves up, a negative one counts from the
    /// end, one after the end gives no bytes at the end. A VM that has never printed has an empty log. May wait for a
    /// disk: it is called on a thread that may.
    ///
    /// - Parameter vmDirectory: the VM's own directory under the state directory.
    func read(vmDirectory: String, offset: Int64, limit: Int) throws(ConsoleLogError) -> ConsoleChunk
}

/// A console log could not be read.
package struct ConsoleLogError: Error, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
