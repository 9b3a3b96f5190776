import Glibc
import LinuxSystem

/// The emulator's library, and how a program gets it.
enum PreloadLibrary {
    private static let name = "libhvroot-mshv-emulator.so"

    /// The library's path from the root.
    static func find(named given: String?) throws -> String {
        let path = try given ?? "\(ownDirectory())/\(name)"
        guard let absolute = absolutePath(path) else {
            let hint = given == nil ? ": build it (scripts/build) or name it with --library" : ""
            throw PreloadFailure("The library \(path) is not there (\(Errno.last))\(hint)")
        }
        guard isELF(absolute) else { throw PreloadFailure("\(path) is no shared library.") }
        // The dynamic linker takes a list that both of them part, and has no way to say that one does not.
        guard !absolute.contains(" "), !absolute.contains(":") else {
            throw PreloadFailure("The library's path \(absolute) has a space or a colon, which LD_PRELOAD can't have.")
        }
        return absolute
    }

    /// Puts the library before what is preloaded already, for this process's successors.
    static func preload(_ library: String) throws {
        var value = library
        if let present = getenv("LD_PRELOAD").map({ String(cString: $0) }), !present.isEmpty { value += ":\(present)" }
        if setenv("LD_PRELOAD", value, 1) != 0 { throw PreloadFailure("LD_PRELOAD can't be set: \(Errno.last)") }
    }

    private static func ownDirectory() throws -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &bytes, bytes.count)
        guard count > 0, count < bytes.count else {
            throw PreloadFailure("hvrootctl can't tell where it is (\(Errno.last)): name the library with --library.")
        }
        let path = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    private static func absolutePath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func isELF(_ path: String) -> Bool {
        guard let file = try? FileDescriptor(opening: path, O_RDONLY), let head = try? file.read(count: 4) else {
            return false
        }
        return head == [0x7F, 0x45, 0x4C, 0x46]
    }
}
