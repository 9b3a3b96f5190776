import LinuxSystem
import Testing

@Suite struct IndexListTests {
    @Test(arguments: [
        ("0", [0], "0"), ("0-3,8", [0, 1, 2, 3, 8], "0-3,8"), ("8,0-3", [0, 1, 2, 3, 8], "0-3,8"),
        ("1,2,3,2", [1, 2, 3], "1-3"), ("63,64", [63, 64], "63-64"), ("8191", [8191], "8191"),
    ])
    func reads(text: String, indices: [Int], written: String) throws {
        let list = try #require(IndexList(text))
        #expect(list.indices == indices && list.description == written)
        #expect(IndexList(list.description) == list)
    }

    @Test(arguments: [
        "", ",", "1,", "-1", "1-", "3-1", "8192", "0-8192", "a", "1 2", "+1", "0x1", "99999999999999999999",
    ])
    func refuses(text: String) { #expect(IndexList(text) == nil) }

    @Test func masks() {
        #expect(IndexList([0, 3]).mask == [0b1001])
        #expect(IndexList([64]).mask == [0, 1])
        #expect(IndexList([1, 2, 3]).subtracting(IndexList([2, 9])).indices == [1, 3])
    }

    /// A thread that is put on one processor runs there.
    @Test func affinity() throws {
        let all = try #require(HostPlacement.threadProcessors)
        let one = IndexList(all.indices.prefix(1))
        let seen = Seen()
        let thread = try SystemThread(name: "placed") {
            try? HostPlacement.runThread(on: one)
            seen.processors.withLock { $0 = HostPlacement.threadProcessors }
        }
        thread.join()
        #expect(seen.processors.read { $0 } == one)
        #expect(HostPlacement.threadProcessors == all)
        #expect(throws: Errno.self) { try HostPlacement.runThread(on: IndexList([8000])) }
    }

    private final class Seen: Sendable {
        let processors = Monitor<IndexList?>(nil)
    }
}
