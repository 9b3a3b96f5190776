import Glibc
import LinuxSystem

/// Where a guest's sockets meet the host's: Unix sockets in one directory, as Firecracker and Cloud Hypervisor have them.
///
/// A program of the host connects to the socket `name` and sends `CONNECT PORT`, LF; it gets `OK PORT`, LF, with the port
/// that it has on its own side, and is then connected with the guest's port. What a guest connects to is the socket
/// `name_PORT` in the same directory. It lasts over all lives of a machine.
package final class VsockHost: Sendable {
    package let directory: String
    package let name: String
    private let listener: FileDescriptor

    /// - Throws: `Errno` where there can be no such socket. One that is there is replaced.
    package init(directory: String, name: String) throws(Errno) {
        self.directory = directory
        self.name = name
        listener = try UnixSocket.listen(directory: directory, name: name, backlog: 64)
    }

    deinit { remove() }

    /// Takes the socket away: nobody connects any more.
    package func remove() { unlink(directory + "/" + name) }

    /// Readable when a program waits.
    var descriptor: Int32 { listener.raw }

    /// The next program; nil where none waits or the host has no descriptor left for it.
    func accept() -> FileDescriptor? {
        do throws(Errno) {
            return try UnixSocket.accept(listener)
        } catch {
            return nil
        }
    }

    /// Connects with whom listens for guests' connections to a port.
    func connect(port: UInt32) throws(Errno) -> FileDescriptor {
        try UnixSocket.connect(directory: directory, name: "\(name)_\(port)")
    }
}
