import Glibc
import LinuxSystem
import Synchronization

/// An image in a format of QEMU's, served by a qemu-nbd of its own over a Unix socket. QEMU's code knows the format and
/// locks the image (with locks that exclude those of `RawImage`).
package final class QemuImage: BlockImage {
    package let isReadOnly: Bool
    package let byteCount: UInt64
    package var geometry: BlockGeometry { BlockGeometry() }
    /// Seen by tests.
    let server: QemuServer
    /// As long as one connection is open the server stays.
    private let first: Mutex<NBDConnection?>
    private static let mostConnections = 64

    /// - Parameters:
    ///   - directory: where the socket is made.
    ///   - connections: how many engines are made at a time, at most.
    /// - Throws: `BlockStorageError` that says what is wrong with the image, or that it is in use.
    package init(_ disk: DiskSource, directory: String, connections: Int) throws(BlockStorageError) {
        try ImageInspection.check(disk)
        isReadOnly = disk.isReadOnly
        let connection: NBDConnection
        (server, connection) = try QemuServer.start(
            disk, directory: directory, connections: min(max(connections, 1), Self.mostConnections) + 1)
        let needed = disk.isReadOnly ? 0 : NBD.Export.flush | NBD.Export.durable | NBD.Export.writeZeroes
        guard connection.flags & needed == needed, disk.isReadOnly || connection.flags & NBD.Export.readOnly == 0 else {
            throw BlockStorageError("qemu-nbd does not serve \(disk.path) for writing and flushing")
        }
        guard connection.size >= 512 else {
            throw BlockStorageError("\(disk.path) has \(connection.size) bytes, too few for a disk")
        }
        byteCount = connection.size
        // Sound: nobody else has it.
        nonisolated(unsafe) let kept = connection
        first = Mutex(kept)
    }

    // The server, which goes next, waits for its process.
    deinit { first.withLock { $0 = nil } }

    /// qemu-nbd serves the size that it found.
    package func refreshSize() throws(BlockStorageError) -> UInt64 { byteCount }

    package func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine {
        NBDEngine(try server.connect(), image: self, depth: depth)
    }
}

/// A qemu-nbd process.
final class QemuServer: Sendable {
    private static let programs = ["/usr/bin/qemu-nbd", "/usr/local/bin/qemu-nbd"]
    private static let inUse = " is in use"
    private let process: PidFD
    var processID: Int32 { process.processID }
    private let directory: String
    private let socketName: String

    private init(_ process: PidFD, directory: String, socketName: String) {
        self.process = process
        self.directory = directory
        self.socketName = socketName
    }

    static var program: String? { programs.first { access($0, X_OK) == 0 } }

    /// - Throws: `BlockStorageError` with what the program said.
    static func start(
        _ disk: DiskSource, directory: String, connections: Int
    ) throws(BlockStorageError) -> (QemuServer, NBDConnection) {
        // An image that another one has just let go of may be locked for a moment more.
        let deadline = monotonicNanoseconds() + 5_000_000_000
        while true {
            do throws(BlockStorageError) {
                return try startOnce(disk, directory: directory, connections: connections)
            } catch {
                guard error.description.hasPrefix(disk.path + inUse), monotonicNanoseconds() < deadline else {
                    throw error
                }
                usleep(100_000)
            }
        }
    }

    private static func startOnce(
        _ disk: DiskSource, directory: String, connections: Int
    ) throws(BlockStorageError) -> (QemuServer, NBDConnection) {
        guard let program else {
            throw BlockStorageError("this host has no qemu-nbd, which \(disk.format.rawValue) images need (qemu-utils)")
        }
        let name = "disk-\(disk.id).sock"
        let log = "\(directory)/disk-\(disk.id).log"
        unlink("\(directory)/\(name)")
        var arguments = [
            "--format=\(disk.format.rawValue)", "--socket=/proc/self/fd/3/\(name)", "--shared=\(connections)",
            "--cache=\(disk.cache.rawValue)", "--discard=unmap",
        ]
        if disk.isReadOnly { arguments.append("--read-only") }
        arguments += ["--", disk.path]
        let server: QemuServer
        do throws(Errno) {
            unlink(log)
            let nothing = try FileDescriptor(opening: "/dev/null", O_RDWR)
            let output = try FileDescriptor(opening: log, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
            let folder = try FileDescriptor(opening: directory, O_RDONLY | O_DIRECTORY)
            let id = try ProcessSpawn.start(
                program, arguments: arguments, environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"],
                descriptors: [nothing.raw, output.raw, output.raw, folder.raw])
            server = QemuServer(try PidFD(id), directory: directory, socketName: name)
        } catch {
            throw BlockStorageError("qemu-nbd can't be started: \(error)")
        }
        return (server, try server.firstConnection(disk, log: log))
    }

    /// It takes connections before it has opened the image: only one that is answered shows that it has.
    private func firstConnection(_ disk: DiskSource, log: String) throws(BlockStorageError) -> NBDConnection {
        defer { unlink(log) }
        var failure = BlockStorageError("qemu-nbd does not begin to serve \(disk.path)")
        for _ in 0..<3000 where !process.waitForEnd(milliseconds: 10) {
            guard let socket = try? UnixSocket.connect(directory: directory, name: socketName) else { continue }
            do throws(BlockStorageError) {
                return try NBDConnection(socket)
            } catch {
                failure = error
                break
            }
        }
        // It ends by itself after an error, and has said why.
        guard process.waitForEnd(milliseconds: 2000) else {
            try? process.send(signal: SIGTERM)
            throw failure
        }
        let said = (try? WholeFile.read(log, limit: 4096)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = said.split(separator: "\n").first.map(String.init) ?? "it says nothing"
        throw BlockStorageError(
            said.contains("Failed to get") || said.contains("Failed to lock")
                ? "\(disk.path)\(Self.inUse): another program has it open and locked (\(line))"
                : "\(disk.path) can't be opened by qemu-nbd: \(line)")
    }

    /// A further connection. The server's queue may be full for a moment.
    func connect() throws(BlockStorageError) -> NBDConnection {
        var last = Errno(ECONNREFUSED)
        for _ in 0..<500 {
            let socket: FileDescriptor
            do throws(Errno) {
                socket = try UnixSocket.connect(directory: directory, name: socketName)
            } catch {
                last = error
                guard [EAGAIN, ECONNREFUSED].contains(error.code), !process.waitForEnd(milliseconds: 10) else { break }
                continue
            }
            return try NBDConnection(socket)
        }
        throw BlockStorageError("qemu-nbd can't be reached: \(last)")
    }

    /// Waits for the program, which ends with its last connection: then the image is written and free.
    deinit {
        if !process.waitForEnd(milliseconds: 30_000) {
            try? process.send(signal: SIGTERM)
            if !process.waitForEnd(milliseconds: 5_000) { try? process.send(signal: SIGKILL) }
            _ = process.waitForEnd(milliseconds: 5_000)
        }
        _ = process.end()
        unlink("\(directory)/\(socketName)")
    }
}
