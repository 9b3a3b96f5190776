import Glibc
import LinuxSystem

/// A directory of a test's own, removed with what is in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/hvroot-api-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.last }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in names(in: path) { remove("\(path)/\(name)") }
        Glibc.remove(path)
    }

    /// The names in a directory; none where `path` is something else.
    static func names(in path: String) -> [String] {
        // Not through a symbolic link: what it points to is not the test's.
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path) else {
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                // d_name ends with a NUL within its 256 bytes (readdir(3)).
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Makes `name` with `bytes`, and a hole after them up to `size`; its path.
    @discardableResult
    func file(_ name: String, _ bytes: [UInt8], size: Int? = nil) throws -> String {
        let place = "\(path)/\(name)"
        let file = try FileDescriptor(opening: place, O_WRONLY | O_CREAT | O_TRUNC)
        try file.writeAll(bytes)
        if let size, ftruncate(file.raw, off_t(size)) != 0 { throw Errno.last }
        return place
    }
}
