import GuestMemory
import HostInventory
import LinuxSystem
import PartitionManager
import WorkerProtocol

/// How much more than it has a host promises its guests.
package struct AdmissionPolicy: Sendable, Equatable {
    /// Memory that guests may have together, as a multiple of the host's.
    package var memoryOvercommit = 1.0
    /// Virtual processors that guests may have together, as a multiple of the host's processors.
    package var processorOvercommit = 16.0

    package init() {}
}

/// Finds everything for which a VM does not fit on a host. Pure: it is told how the host is.
struct Admission {
    /// What guests that run, or are being started, have been promised.
    struct Commitment: VMClaim {
        var vm: String
        /// Bytes that are of no pool of huge pages.
        var memory: UInt64
        var vps: Int

        init(_ specification: VMSpecification, vm: String) {
            self.vm = vm
            memory = specification.placement.memory.pages.poolPageSize == nil ? specification.memorySize : 0
            vps = specification.vpCount
        }
    }

    var policy: AdmissionPolicy
    var topology: HostTopology
    /// Bytes; 0 is a host that does not tell.
    var memoryTotal: UInt64
    /// Bytes that can be taken without swapping.
    var memoryAvailable: UInt64

    typealias Blocker = ServiceError.Blocker

    // MARK: What the host is

    /// Why this host can never run the VM as it is specified.
    func permanent(_ specification: VMSpecification) -> [Blocker] {
        let placement = specification.placement
        var blockers = processorBlockers(placement)
        if let nodes = placement.memory.nodes { blockers += nodeBlockers(nodes) }
        if let size = placement.memory.pages.poolPageSize {
            if pool(of: size, on: placement.memory.nodes).total == 0 {
                blockers.append(
                    Blocker(
                        field: "/memory/pages",
                        detail: "The host has no pool of huge pages of \(Self.size(size))\(on(placement)).",
                        expected: "pages in \(Self.poolFile(size)), or pages auto"))
            }
        } else if memoryTotal > 0, specification.memorySize > memoryLimit {
            blockers.append(
                Blocker(
                    field: "/memory/size",
                    detail:
                        "The VM wants \(specification.memorySize) bytes of memory; the host has \(memoryTotal) in all"
                        + (policy.memoryOvercommit == 1 ? "." : " and promises \(memoryLimit)."),
                    expected: "at most \(memoryLimit) bytes"))
        }
        return blockers
    }

    private func processorBlockers(_ placement: Placement) -> [Blocker] {
        var lists = placement.vps.sorted { $0.key < $1.key }.map { ("/placement/vps/\($0.key)", $0.value) }
        if let processors = placement.processors { lists.insert(("/placement/processors", processors), at: 0) }
        return lists.compactMap { field, list in
            let missing = list.subtracting(topology.processors)
            guard !missing.isEmpty else { return nil }
            return Blocker(
                field: field, detail: "The host's processors \(missing) are not online, or not there.",
                expected: "among \(topology.processors)")
        }
    }

    private func nodeBlockers(_ nodes: IndexList) -> [Blocker] {
        let withMemory = IndexList(topology.nodes.filter { $0.memoryTotal > 0 }.map(\.id))
        let missing = nodes.subtracting(withMemory)
        guard !missing.isEmpty else { return [] }
        return [
            Blocker(
                field: "/placement/nodes", detail: "The host's NUMA nodes \(missing) have no memory, or are not there.",
                expected: "among \(withMemory)")
        ]
    }

    // MARK: What the host has left

    /// Why the VM can't start now beside what others were promised.
    ///
    /// - Parameter before: what the VM itself has already, where it is one that runs and grows.
    func present(
        _ specification: VMSpecification, others: [Commitment], before: Commitment? = nil
    ) -> [Blocker] {
        let wanted = Commitment(specification, vm: "")
        var blockers: [Blocker] = []
        let promised = others.reduce(UInt64(0)) { $0 &+ $1.memory }
        if wanted.memory > before?.memory ?? 0, memoryTotal > 0, promised &+ wanted.memory > memoryLimit {
            blockers.append(
                Blocker(
                    field: "/memory/size",
                    detail:
                        "The VM wants \(wanted.memory) bytes of memory; \(promised) of the host's \(memoryLimit) are "
                        + "promised to other guests.",
                    expected: "at most \(memoryLimit > promised ? memoryLimit - promised : 0) bytes"))
        }
        let processors = Int(Double(topology.processors.indices.count) * policy.processorOvercommit)
        let taken = others.reduce(0) { $0 + $1.vps }
        if wanted.vps > before?.vps ?? 0, taken + wanted.vps > processors {
            blockers.append(
                Blocker(
                    field: "/vps/count",
                    detail:
                        "The VM wants \(wanted.vps) virtual processors; \(taken) of the \(processors) that the host "
                        + "promises are taken.", expected: "at most \(max(0, processors - taken))"))
        }
        if before == nil { blockers += pageBlockers(specification) }
        return blockers
    }

    /// Pages that have to be there when the guest starts.
    private func pageBlockers(_ specification: VMSpecification) -> [Blocker] {
        let placement = specification.placement
        if let size = placement.memory.pages.poolPageSize {
            let free = pool(of: size, on: strictNodes(placement)).free
            let wanted = (specification.memorySize + size - 1) / size
            guard wanted > free else { return [] }
            return [
                Blocker(
                    field: "/memory/pages",
                    detail:
                        "The VM wants \(wanted) huge pages of \(Self.size(size)); \(free) are free\(on(placement)).",
                    expected: "at most \(free * size) bytes of memory, or more pages in \(Self.poolFile(size))")
            ]
        }
        guard placement.memory.isPrefaulted else { return [] }
        let free =
            strictNodes(placement).map { nodes in
                topology.nodes.filter { nodes.contains($0.id) }.reduce(UInt64(0)) { $0 + $1.memoryFree }
            } ?? memoryAvailable
        guard specification.memorySize > free else { return [] }
        return [
            Blocker(
                field: "/memory/prefault",
                detail: "All of the VM's \(specification.memorySize) bytes of memory are to be there when it starts; "
                    + "\(free) are free\(on(placement)).", expected: "at most \(free) bytes, or no prefault")
        ]
    }

    /// The only nodes that the memory can come from; nil: any.
    private func strictNodes(_ placement: Placement) -> IndexList? {
        placement.memory.nodePolicy == .preferred ? nil : placement.memory.nodes
    }

    private func pool(of size: UInt64, on nodes: IndexList?) -> HostTopology.HugePages {
        let pools =
            nodes.map { nodes in topology.nodes.filter { nodes.contains($0.id) }.flatMap(\.hugePages) }
            ?? topology.hugePages
        return pools.filter { $0.pageSize == size }.reduce(.init(pageSize: size, total: 0, free: 0)) {
            .init(pageSize: size, total: $0.total + $1.total, free: $0.free + $1.free)
        }
    }

    private var memoryLimit: UInt64 {
        UInt64(exactly: (Double(memoryTotal) * policy.memoryOvercommit).rounded(.down)) ?? .max
    }

    private func on(_ placement: Placement) -> String { strictNodes(placement).map { " on NUMA nodes \($0)" } ?? "" }

    private static func size(_ bytes: UInt64) -> String { bytes == 1 << 30 ? "1 GiB" : "2 MiB" }

    private static func poolFile(_ size: UInt64) -> String {
        "/sys/kernel/mm/hugepages/hugepages-\(size / 1024)kB/nr_hugepages"
    }
}
