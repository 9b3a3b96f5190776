import GuestMemory
import LinuxSystem
import PartitionManager
import WorkerProtocol

/// Where on a host a VM is to be. Whether this host has that is `Admission`'s to say.
extension Validation {
    static func checkPlacement(_ specification: VMSpecification) throws(ServiceError) {
        let placement = specification.placement
        let count = specification.vpMaximum ?? specification.vpCount
        for vp in placement.vps.keys.sorted() where !(0..<count).contains(vp) {
            throw ServiceError(
                .invalidArgument, "There is no virtual processor \(vp): the VM has at most \(count).",
                field: "/placement/vps/\(vp)", expected: "0...\(count - 1)")
        }
        if placement.memory.nodes == nil, placement.memory.nodePolicy != .bind {
            throw ServiceError(
                .invalidArgument,
                "The node policy \(placement.memory.nodePolicy.rawValue) has no NUMA nodes that it is about.",
                field: "/placement/nodePolicy", expected: "/placement/nodes, or no policy")
        }
        guard let size = placement.memory.pages.poolPageSize else { return }
        guard specification.memorySize.isMultiple(of: size) else {
            throw ServiceError(
                .invalidArgument,
                "Memory of pages of \(size) bytes is a multiple of that, not \(specification.memorySize) bytes.",
                field: "/memory/size", expected: "a multiple of \(placement.memory.pages.rawValue)")
        }
        guard specification.memoryMaximum == nil else {
            throw ServiceError(
                .invalidArgument, "Memory of a pool of huge pages does not grow while the guest runs.",
                field: "/memory/maximum", expected: "nothing, or pages auto")
        }
    }
}
