import LinuxSystem

/// The host's processors and memory by NUMA nodes.
package struct HostTopology: Sendable, Equatable {
    /// A kind of huge pages.
    package struct HugePages: Sendable, Equatable {
        /// Bytes of a page.
        package var pageSize: UInt64
        /// Pages of the pool.
        package var total: UInt64
        package var free: UInt64

        package init(pageSize: UInt64, total: UInt64, free: UInt64) {
            self.pageSize = pageSize
            self.total = total
            self.free = free
        }
    }

    package struct Node: Sendable, Equatable {
        package var id: Int
        /// Its processors that are online; empty for memory alone.
        package var processors: IndexList
        /// Bytes; 0 for processors alone.
        package var memoryTotal: UInt64
        package var memoryFree: UInt64
        /// The pools in ascending order of page sizes.
        package var hugePages: [HugePages]
        /// To each node, in the order of nodes; 10 is its own (ACPI 6.5, 5.2.17).
        package var distances: [Int]

        package init(
            id: Int, processors: IndexList, memoryTotal: UInt64, memoryFree: UInt64, hugePages: [HugePages],
            distances: [Int]
        ) {
            self.id = id
            self.processors = processors
            self.memoryTotal = memoryTotal
            self.memoryFree = memoryFree
            self.hugePages = hugePages
            self.distances = distances
        }
    }

    /// Online.
    package var processors: IndexList
    /// In ascending order; one at least.
    package var nodes: [Node]
    /// Of all nodes together. Pages that programs have reserved and not touched count as free in `free` of a pool, and
    /// as taken here.
    package var hugePages: [HugePages]

    package init(processors: IndexList, nodes: [Node], hugePages: [HugePages]) {
        self.processors = processors
        self.nodes = nodes
        self.hugePages = hugePages
    }
}

extension HostInventory {
    /// The topology as it is now. A kernel without NUMA has one node of everything.
    package func topology() -> HostTopology {
        let processors = list("/sys/devices/system/cpu/online") ?? IndexList([0])
        let ids = list("/sys/devices/system/node/online") ?? IndexList([0])
        let pools = hugePages("/sys/kernel/mm/hugepages", countsReserved: true)
        let nodes = ids.indices.map { id -> HostTopology.Node in
            let folder = "/sys/devices/system/node/node\(id)"
            let memory = nodeMemory(folder)
            let whole = self.memory()
            return HostTopology.Node(
                id: id,
                processors: nodeProcessors(folder) ?? (ids.indices.count == 1 ? processors : IndexList([])),
                memoryTotal: memory?.total ?? (ids.indices.count == 1 ? whole.total : 0),
                memoryFree: memory?.free ?? (ids.indices.count == 1 ? whole.available : 0),
                hugePages: memory == nil ? pools : hugePages(folder + "/hugepages", countsReserved: false),
                distances: (line(folder + "/distance") ?? "10").split(separator: " ").compactMap { Int($0) })
        }
        return HostTopology(processors: processors, nodes: nodes, hugePages: pools)
    }

    private func list(_ path: String) -> IndexList? { line(path).flatMap { IndexList($0) } }

    /// Nil where the kernel does not tell; empty for a node without any.
    private func nodeProcessors(_ folder: String) -> IndexList? {
        guard SmallFile.read(root + folder + "/cpulist") != nil else { return nil }
        return list(folder + "/cpulist") ?? IndexList([])
    }

    /// `Node 0 MemTotal: 4096 kB`
    private func nodeMemory(_ folder: String) -> (total: UInt64, free: UInt64)? {
        var (total, free): (UInt64?, UInt64?)
        for entry in lines(folder + "/meminfo") {
            let words = entry.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count >= 4, let kibibytes = UInt64(words[3]), kibibytes < 1 << 50 else { continue }
            switch words[2] {
            case "MemTotal:": total = kibibytes * 1024
            case "MemFree:": free = kibibytes * 1024
            default: break
            }
        }
        guard let total, let free else { return nil }
        return (total, free)
    }

    private func hugePages(_ folder: String, countsReserved: Bool) -> [HostTopology.HugePages] {
        [2 << 20, 1 << 30].compactMap { (size: UInt64) -> HostTopology.HugePages? in
            let pool = "\(folder)/hugepages-\(size / 1024)kB"
            guard let total = number(pool + "/nr_hugepages"), let free = number(pool + "/free_hugepages") else {
                return nil
            }
            let reserved = countsReserved ? number(pool + "/resv_hugepages") ?? 0 : 0
            return HostTopology.HugePages(pageSize: size, total: total, free: free > reserved ? free - reserved : 0)
        }
    }

    private func number(_ path: String) -> UInt64? { line(path).flatMap { UInt64($0) } }
}
