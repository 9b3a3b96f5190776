import Glibc
import HostInventory
import LinuxSystem
import PartitionManager
import Testing

@Suite struct HostInventoryTests {
    private let root = TemporaryDirectory()

    private func put(_ path: String, _ text: String) throws {
        let whole = root.path + path
        let directory = whole[..<(whole.lastIndex(of: "/") ?? whole.endIndex)]
        try DirectoryTree.create(String(directory))
        let file = try FileDescriptor(opening: whole, O_WRONLY | O_CREAT | O_TRUNC)
        try file.writeAll(Array(text.utf8))
    }

    @Test func readsTheKernelsFiles() throws {
        try put("/proc/sys/kernel/hostname", "node-7\n")
        try put("/proc/sys/kernel/osrelease", "6.15.0-amd64\n")
        try put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        try put("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n")
        try put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: A Fine CPU @ 3 GHz\n\nprocessor\t: 1\n")
        try put("/sys/devices/system/cpu/online", "0-3,8,10-11\n")
        #expect(
            HostInventory(root: root.path).read()
                == Host(
                    hostname: "node-7", kernelRelease: "6.15.0-amd64", machineID: "0123456789abcdef0123456789abcdef",
                    processorModel: "A Fine CPU @ 3 GHz", processorCount: 7, memoryTotal: 16 << 20,
                    memoryAvailable: 8 << 20))
    }

    @Test func aHostThatTellsNothing() {
        let host = HostInventory(root: root.path).read()
        #expect(host.hostname == "unknown" && host.machineID == nil && host.processorCount == 1)
        #expect(host.memoryTotal == 0)
    }

    @Test func strangeFilesAreNoTrap() throws {
        try put("/proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: 9999999999999999999 kB\nx\n")
        try put("/sys/devices/system/cpu/online", "9-1,,70000,a-b\n")
        #expect(HostInventory(root: root.path).read().processorCount == 1)
        #expect(HostInventory(root: root.path).memory() == (0, 0))
    }

    @Test func thisMachine() {
        let host = HostInventory().read()
        #expect(host.memoryTotal > 0 && host.memoryAvailable > 0 && host.hostname != "unknown")
    }

    @Test func topologyByNodes() throws {
        try put("/proc/meminfo", "MemTotal: 16384 kB\nMemAvailable: 8192 kB\n")
        try put("/sys/devices/system/cpu/online", "0-3\n")
        // A kernel without NUMA tells of no nodes.
        #expect(
            HostInventory(root: root.path).topology()
                == HostTopology(
                    processors: IndexList([0, 1, 2, 3]),
                    nodes: [
                        .init(
                            id: 0, processors: IndexList([0, 1, 2, 3]), memoryTotal: 16 << 20, memoryFree: 8 << 20,
                            hugePages: [], distances: [10])
                    ], hugePages: []))
        let nodes = "/sys/devices/system/node"
        try put(nodes + "/online", "0,2\n")
        try put(nodes + "/node0/cpulist", "0-3\n")
        try put(nodes + "/node0/meminfo", "Node 0 MemTotal:   4096 kB\nNode 0 MemFree:  1024 kB\n")
        try put(nodes + "/node0/distance", "10 21\n")
        try put(nodes + "/node0/hugepages/hugepages-2048kB/nr_hugepages", "8\n")
        try put(nodes + "/node0/hugepages/hugepages-2048kB/free_hugepages", "5\n")
        // Memory alone.
        try put(nodes + "/node2/cpulist", "\n")
        try put(nodes + "/node2/meminfo", "Node 2 MemTotal:   8192 kB\nNode 2 MemFree:  8192 kB\n")
        try put(nodes + "/node2/distance", "21 10\n")
        try put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n")
        try put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "5\n")
        try put("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "2\n")
        #expect(
            HostInventory(root: root.path).topology()
                == HostTopology(
                    processors: IndexList([0, 1, 2, 3]),
                    nodes: [
                        .init(
                            id: 0, processors: IndexList([0, 1, 2, 3]), memoryTotal: 4 << 20, memoryFree: 1 << 20,
                            hugePages: [.init(pageSize: 2 << 20, total: 8, free: 5)], distances: [10, 21]),
                        .init(
                            id: 2, processors: IndexList([]), memoryTotal: 8 << 20, memoryFree: 8 << 20, hugePages: [],
                            distances: [21, 10]),
                    ], hugePages: [.init(pageSize: 2 << 20, total: 8, free: 3)]))
    }
}
