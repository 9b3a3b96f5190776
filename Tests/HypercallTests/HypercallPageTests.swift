import Glibc
import HypercallABI
import HypercallCore
import JSON
import LinuxSystem
import Testing

/// The page of calls is what the code says. `scripts/generate-hypercall-docs` writes it through this suite.
@Suite struct HypercallPageTests {
    @Test func pageIsUpToDate() throws {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "/\(here)/docs/hypercalls.md"
        let made = Array(try HypercallPage.text().utf8)
        if getenv("HVROOT_WRITE_HYPERCALL_DOCS") != nil {
            let file = try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
            try file.writeAll(made)
            return
        }
        let file = try FileDescriptor(opening: path, O_RDONLY)
        let kept = try file.read(count: Int(file.size()))
        let isUpToDate = kept == made
        #expect(isUpToDate, "docs/hypercalls.md is not what the catalogue says: run scripts/generate-hypercall-docs")
    }

    /// Structures are called by the names of the tables, so that the page shows their fields.
    @Test func structuresAreOfTheTable() throws {
        let names = Set(try Fixture.json("structs.json").names)
        for call in CallCatalogue.all {
            for text in [call.input, call.output].compactMap({ $0 }) {
                let name = text.hasSuffix("[]") ? String(text.dropLast(2)) : text
                #expect(names.contains(name) || ["u8", "u16", "u32", "u64"].contains(name), "\(call.code): \(text)")
            }
        }
    }
}
