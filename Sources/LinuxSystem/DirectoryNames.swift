import Glibc

/// The names in a directory.
package enum DirectoryNames {
    /// Without `.` and `..`, in no order.
    package static func list(_ path: String) throws(Errno) -> [String] {
        guard let stream = opendir(path) else { throw Errno.last }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // d_name is NUL-terminated inside the entry, which lives until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
