import Testing

/// Rules that no compiler and no formatter checks.
@Suite("Rules for sources")
struct SourceRuleTests {
    /// Crashes that outside input could reach, unfinished work, and words the rules of the project keep out.
    private static let forbidden = ["try!", "as!", "fatalError(", "TODO", "FIXME", "XXX", "placeholder", "Placeholder"]

    @Test("no file is longer than 500 lines")
    func lengths() throws {
        let long = try (SourceTree.swiftFiles(under: "Sources") + SourceTree.swiftFiles(under: "Tests"))
            .filter { $0.lines.count > 501 }
            .map { "\($0.path): \($0.lines.count - 1) lines" }
        #expect(long.isEmpty, "\(long.joined(separator: "\n"))")
    }

    @Test("nothing imports Foundation")
    func noFoundation() throws {
        let wrong = try (SourceTree.swiftFiles(under: "Sources") + SourceTree.swiftFiles(under: "Tests")).filter {
            file in
            SourceTree.imports(of: file).contains { $0.module.hasPrefix("Foundation") }
        }
        #expect(wrong.isEmpty, "\(wrong.map(\.path))")
    }

    @Test("no forbidden words", arguments: forbidden)
    func words(_ word: String) throws {
        let found = try SourceTree.swiftFiles(under: "Sources").flatMap { file in
            file.lines.enumerated().filter { contains($0.element, word) }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test("an unchecked Sendable says why it is sound, on its line or just above")
    func uncheckedSendable() throws {
        let bare = try SourceTree.swiftFiles(under: "Sources").flatMap { file -> [String] in
            let lines = file.lines
            return lines.indices.filter { index in
                contains(lines[index], "@unchecked Sendable")
                    && !lines[max(0, index - 8)...index].contains { contains($0, "//") }
            }
            .map { "\(file.path):\($0 + 1)" }
        }
        #expect(bare.isEmpty, "\(bare.joined(separator: "\n"))")
    }

    /// Whether `line` holds `word` (not as the end of a longer one: `has!` is no `as!`).
    private func contains(_ line: Substring, _ word: String) -> Bool {
        var rest = line[...]
        while let range = rest.firstRange(of: word) {
            let before = range.lowerBound > line.startIndex ? line[line.index(before: range.lowerBound)] : " "
            if !before.isLetter { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }
}
