import Glibc
import LinuxSystem

/// The program that is to run with a preloaded library: finds out what would silently not work.
enum PreloadTarget {
    /// - Throws: `PreloadFailure` where the program is not there, or would not get the library.
    static func check(_ program: String) throws {
        guard let path = find(program) else {
            let place = program.contains("/") ? "" : " in the directories of PATH"
            throw PreloadFailure("There is no program \(program)\(place) that can be executed.")
        }
        // What can't be read is left to the kernel to judge.
        guard let file = try? FileDescriptor(opening: path, O_RDONLY), let head = try? file.read(count: 4096) else {
            return
        }
        // A script's interpreter is another program; it is not looked at.
        guard head.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return }
        guard head.count > 4, head[4] == 2 else {
            throw PreloadFailure("\(path) is a 32-bit program; the library is for x86-64.")
        }
        guard hasInterpreter(head) else {
            throw PreloadFailure(
                "\(path) is linked statically, so no library can be preloaded: build it with a dynamic C library.")
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & (S_ISUID | S_ISGID) != 0, geteuid() != 0 {
            throw PreloadFailure("\(path) has the set-user-ID or set-group-ID bit: nothing is preloaded to it.")
        }
    }

    private static func find(_ program: String) -> String? {
        if program.contains("/") { return access(program, X_OK) == 0 ? program : nil }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        for directory in path.split(separator: ":", omittingEmptySubsequences: false) {
            let candidate = directory.isEmpty ? "./\(program)" : "\(directory)/\(program)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    /// Whether a 64-bit ELF file names a dynamic linker (PT_INTERP). `head` is its beginning; program headers that are
    /// not in it count as naming one, because nothing is known then.
    private static func hasInterpreter(_ head: [UInt8]) -> Bool {
        func number(at offset: Int, count: Int) -> UInt64? {
            guard offset >= 0, offset <= head.count - count else { return nil }
            return head[offset..<(offset + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard let table = number(at: 32, count: 8), let size = number(at: 54, count: 2),
            let count = number(at: 56, count: 2), table < 1 << 32
        else { return true }
        for index in 0..<count {
            guard let type = number(at: Int(table + index * size), count: 4) else { return true }
            if type == 3 { return true }
        }
        return false
    }
}
