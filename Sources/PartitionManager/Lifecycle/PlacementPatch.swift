import GuestMemory
import LinuxSystem
import WorkerProtocol

/// A change of a VM's placement; nil leaves as it is, and some(nil) takes away.
package struct PlacementPatch: Sendable, Equatable {
    package var processors: IndexList??
    /// Some(nil): no virtual processor has host processors of its own.
    package var vps: [Int: IndexList?]??
    package var nodes: IndexList??
    package var nodePolicy: HostPlacement.NodePolicy?
    package var pages: MemoryBacking.Pages?
    package var isPrefaulted: Bool?

    package init() {}
}

extension Placement {
    package mutating func apply(_ patch: PlacementPatch) {
        if let processors = patch.processors { self.processors = processors }
        if let vps = patch.vps {
            if vps == nil { self.vps = [:] }
            for (vp, list) in vps ?? [:] { self.vps[vp] = list }
        }
        if let nodes = patch.nodes { memory.nodes = nodes }
        memory.nodePolicy = patch.nodePolicy ?? memory.nodePolicy
        memory.pages = patch.pages ?? memory.pages
        memory.isPrefaulted = patch.isPrefaulted ?? memory.isPrefaulted
    }
}
