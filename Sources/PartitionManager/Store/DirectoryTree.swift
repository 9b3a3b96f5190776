import CLinux
import Glibc
import LinuxSystem

/// Directories that belong to this program.
package enum DirectoryTree {
    /// Makes `path` and what is missing above it. New ones get `mode`; what exists stays as it is.
    package static func create(_ path: String, mode: mode_t = 0o700) throws(Errno) {
        if mkdir(path, mode) == 0 { return }
        let error = Errno.last
        switch error.code {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0 else { throw Errno.last }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw Errno(ENOTDIR) }
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw error }
            try create(String(path[..<slash]), mode: mode)
            if mkdir(path, mode) != 0, Errno.last.code != EEXIST { throw Errno.last }
        default: throw error
        }
    }

    /// What makes the directory `path` one that others could change or exchange files in; nil when nothing does.
    package static func foreignness(of path: String) throws(Errno) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Errno.last }
        if status.st_uid != geteuid() {
            return "belongs to user \(status.st_uid), and this server runs as user \(geteuid())"
        }
        return status.st_mode & 0o022 != 0 ? "can be written by other users (mode \(octal(status.st_mode)))" : nil
    }

    private static func octal(_ mode: mode_t) -> String { "0" + String(mode & 0o7777, radix: 8) }

    /// Removes `path` with all below it. Symbolic links are removed, never followed. A path that is not there is
    /// removed already.
    package static func remove(_ path: String) throws(Errno) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            let error = Errno.last
            if error.code == ENOENT { return }
            throw error
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            if unlink(path) != 0, Errno.last.code != ENOENT { throw Errno.last }
            return
        }
        for name in try DirectoryNames.list(path) { try remove(path + "/" + name) }
        if rmdir(path) != 0, Errno.last.code != ENOENT { throw Errno.last }
    }
}
