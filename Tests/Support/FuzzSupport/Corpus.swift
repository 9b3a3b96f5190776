import Glibc

/// Inputs that a fuzzer found worth keeping: Tests/Fuzz/Corpus/NAME, one a file. scripts/fuzz puts them there.
package enum Corpus {
    /// - Returns: the inputs by their files' names; none where there is no such corpus.
    package static func inputs(_ name: String) -> [(name: String, bytes: [UInt8])] {
        let tests = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        let directory = "\(tests)/Fuzz/Corpus/\(name)"
        return files(of: directory).map { ($0, contents("\(directory)/\($0)")) }
    }

    private static func files(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // Sound: the entry lives until the next readdir, and its name ends with a zero within the field.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func contents(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rb") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return Array(bytes.prefix(fread(&bytes, 1, bytes.count, file)))
    }
}
