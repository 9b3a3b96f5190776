import CLinux
import Glibc

/// Stream sockets of the Unix domain, named by a directory and a file in it. The kernel's limit of 107 bytes for a
/// socket's path does not matter here: a longer one is reached through `/proc/self/fd`.
package enum UnixSocket {
    /// Who is at the other end, as the kernel recorded it when the connection (or the listener) was made.
    package struct Peer: Sendable, Equatable {
        package var processID: Int32
        package var userID: UInt32
    }

    /// Makes a listening socket `directory/name` with mode 0600 in place of whatever was there.
    package static func listen(directory: String, name: String, backlog: Int32 = 16) throws(Errno) -> FileDescriptor {
        let socket = FileDescriptor(owning: try retryingInterrupts { hv_unix_socket() })
        let number = socket.raw
        let folder = try FileDescriptor(opening: directory, O_RDONLY | O_DIRECTORY)
        if unlinkat(folder.raw, name, 0) != 0, errno != ENOENT { throw Errno.last }
        // Linux gives the new file the mode that the socket has when it is bound: no moment of looser rights.
        if fchmod(number, 0o600) != 0 { throw Errno.last }
        let path = address(directory, folder.raw, name)
        try retryingInterrupts { hv_unix_bind(number, path, path.utf8.count) }
        try retryingInterrupts { Glibc.listen(number, backlog) }
        return socket
    }

    /// Connects to `directory/name`; the socket does not block.
    ///
    /// - Throws: `ENOENT` or `ECONNREFUSED` where nobody listens, `EAGAIN` where the listener's queue is full.
    package static func connect(directory: String, name: String) throws(Errno) -> FileDescriptor {
        let socket = FileDescriptor(owning: try retryingInterrupts { hv_unix_socket() })
        let number = socket.raw
        let folder = try FileDescriptor(opening: directory, O_RDONLY | O_DIRECTORY)
        let path = address(directory, folder.raw, name)
        try retryingInterrupts { hv_unix_connect(number, path, path.utf8.count) }
        return socket
    }

    /// The next connection of a listener that does not block; nil where none waits.
    package static func accept(_ listener: borrowing FileDescriptor) throws(Errno) -> FileDescriptor? {
        let number = listener.raw
        do {
            return FileDescriptor(owning: try retryingInterrupts { hv_accept(number) })
        } catch {
            if error.code == EAGAIN || error.code == ECONNABORTED { return nil }
            throw error
        }
    }

    /// The other end of a connected socket.
    package static func peer(of socket: borrowing FileDescriptor) throws(Errno) -> Peer {
        var peer = hv_peer()
        if hv_socket_peer(socket.raw, &peer) != 0 { throw Errno.last }
        return Peer(processID: peer.pid, userID: peer.uid)
    }

    private static func address(_ directory: String, _ folder: Int32, _ name: String) -> String {
        let direct = directory + "/" + name
        return direct.utf8.count < 108 ? direct : "/proc/self/fd/\(folder)/\(name)"
    }
}
