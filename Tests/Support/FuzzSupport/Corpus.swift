import Glibc

/// Inputs that a fuzzer found worth keeping: Tests/Fuzz/Corpus/NAME, which scripts/fuzz writes.
package enum Corpus {
    /// - Returns: the inputs, each behind its length in 4 bytes in the file; nil where there is no such file, or its end
    ///   is missing.
    package static func inputs(_ name: String) -> [[UInt8]]? {
        let tests = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        guard let bytes = contents("\(tests)/Fuzz/Corpus/\(name)") else { return nil }
        var rest = bytes[...]
        var inputs: [[UInt8]] = []
        while !rest.isEmpty {
            let header = rest.prefix(4)
            let count = header.reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard header.count == 4, rest.count >= count else { return nil }
            inputs.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return inputs
    }

    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return result }
            result += buffer.prefix(count)
        }
    }
}
