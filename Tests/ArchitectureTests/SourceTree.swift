import Glibc

/// The repository's Swift files, read without Foundation.
enum SourceTree {
    struct File {
        /// From the repository's root: `Sources/JSON/JSONValue.swift`.
        var path: String
        var text: String
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
        /// The target it belongs to: the folder under `Sources` or `Tests`.
        var target: String { String(path.split(separator: "/")[1]) }
    }

    struct ReadError: Error, CustomStringConvertible {
        var description: String
    }

    /// The repository's root, found from this file's own place: Tests/ArchitectureTests/SourceTree.swift.
    static let root: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    /// The names in a folder, sorted, without `.` and `..`.
    static func names(in folder: String) throws -> [String] {
        guard let directory = opendir("\(root)/\(folder)") else {
            throw ReadError(description: "\(folder) can't be opened: errno \(errno)")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            // The name is a C string inside the entry, which stays valid until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func isFolder(_ path: String) -> Bool {
        var information = stat()
        return stat("\(root)/\(path)", &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }

    static func read(_ path: String) throws -> String {
        guard let stream = fopen("\(root)/\(path)", "r") else {
            throw ReadError(description: "\(path) can't be opened: errno \(errno)")
        }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&buffer, 1, buffer.count, stream)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All Swift files under a folder.
    static func swiftFiles(under folder: String) throws -> [File] {
        try names(in: folder).flatMap { name -> [File] in
            let path = "\(folder)/\(name)"
            if isFolder(path) { return try swiftFiles(under: path) }
            return name.hasSuffix(".swift") ? [File(path: path, text: try read(path))] : []
        }
    }

    /// What a file imports: the modules' names, with the number of their lines.
    static func imports(of file: File) -> [(module: String, line: Int)] {
        var found: [(module: String, line: Int)] = []
        for (index, line) in file.lines.enumerated() {
            var words = line.split(separator: " ", omittingEmptySubsequences: true)[...]
            while let first = words.first, first.hasPrefix("@") || accessLevels.contains(first) { words.removeFirst() }
            guard words.first == "import" else { continue }
            words.removeFirst()
            if let first = words.first, importKinds.contains(first) { words.removeFirst() }
            guard let module = words.first?.split(separator: ".").first else { continue }
            found.append((String(module), index + 1))
        }
        return found
    }

    private static let accessLevels: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    private static let importKinds: Set<Substring> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var",
    ]
}
