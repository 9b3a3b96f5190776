import GuestMemory
import JSON
import LinuxSystem
import PartitionManager
import Testing
import WorkerProtocol

@testable import RESTServer

@Suite struct PlacementInputTests {
    private func patch(_ text: String) throws -> VMPatch { try VMInput.patch(try JSONValue.parse(Array(text.utf8))) }

    @Test func aPlacementIsReadAndShown() throws {
        let body = """
            {"boot": {"kernel": "/k"}, "memory": {"pages": "2MiB", "prefault": true},
             "placement": {"processors": "8,0-3", "vps": {"1": "3"}, "nodes": "0", "nodePolicy": "interleave"}}
            """
        let placement = try VMInput.specification(try JSONValue.parse(Array(body.utf8))).placement
        #expect(placement.processors == IndexList([0, 1, 2, 3, 8]) && placement.vps == [1: IndexList([3])])
        #expect(placement.memory.pages == .huge2M && placement.memory.isPrefaulted)
        #expect(placement.memory.nodes == IndexList([0]) && placement.memory.nodePolicy == .interleave)
        #expect(try Placement(placement.json) == placement)
        #expect(
            PlacementOutput.json(placement)
                == ["processors": "0-3,8", "vps": ["1": "3"], "nodes": "0", "nodePolicy": "interleave"])
        #expect(PlacementOutput.json(Placement()) == nil)
    }

    @Test func patchesMerge() throws {
        var placement = Placement()
        placement.processors = IndexList([1])
        placement.vps = [0: IndexList([1]), 1: IndexList([2])]
        placement.memory.nodes = IndexList([1])
        placement.memory.nodePolicy = .preferred
        let some = try patch(#"{"placement": {"vps": {"0": null, "2": "3"}, "nodes": null, "nodePolicy": null}}"#)
        placement.apply(try #require(some.placement))
        #expect(placement.processors == IndexList([1]) && placement.vps == [1: IndexList([2]), 2: IndexList([3])])
        #expect(placement.memory == MemoryBacking())
        placement.apply(try #require(try patch(#"{"placement": null}"#).placement))
        #expect(placement == Placement())
        #expect(try patch(#"{"memory": {"size": "1GiB"}}"#).placement == nil)
    }

    @Test(arguments: [
        (#"{"placement": {"processors": "3-1"}}"#, "/placement/processors"),
        (#"{"placement": {"processors": 3}}"#, "/placement/processors"),
        (#"{"placement": {"vps": {"x": "1"}}}"#, "/placement/vps/x"),
        (#"{"placement": {"vps": {"01": "1"}}}"#, "/placement/vps/01"),
        (#"{"placement": {"vps": {"0": ""}}}"#, "/placement/vps/0"),
        (#"{"placement": {"vps": "0"}}"#, "/placement/vps"),
        (#"{"placement": {"nodePolicy": "strict"}}"#, "/placement/nodePolicy"),
        (#"{"placement": {"cpus": "0"}}"#, "/placement/cpus"),
        (#"{"memory": {"pages": "4MiB"}}"#, "/memory/pages"),
        (#"{"memory": {"prefault": "yes"}}"#, "/memory/prefault"),
    ])
    func whatIsWrong(text: String, field: String) {
        do {
            _ = try patch(text)
            Issue.record("\(text) was taken")
        } catch {
            #expect((error as? ServiceError)?.field == field, "\(error)")
        }
    }
}
