import ManagementService
import NetworkBackends
import PartitionManager
import WorkerProtocol

extension MetricsExposition {
    /// What went through guests' network interfaces in their current or last runs, as the guests see it.
    static func writeNetworks(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        let interfaces = snapshot.vms.flatMap { vm, statistics in
            vm.specification.networkInterfaces.compactMap { interface in
                statistics?.networkInterfaces[interface.id].map {
                    (vm: vm.id, interface: interface.id, counters: $0)
                }
            }
        }
        func perDirection(_ name: String, _ help: String, _ value: (NetworkCounters.Direction) -> UInt64) {
            output.family(name, .counter, help)
            for (vm, interface, counters) in interfaces {
                for (direction, counted) in [("received", counters.received), ("sent", counters.sent)] {
                    output.sample(
                        name, ["vm": vm, "interface": interface, "direction": direction], value(counted))
                }
            }
        }
        perDirection("hvroot_network_packets_total", "Packets through a network interface, by the guest's direction.") {
            $0.packets
        }
        perDirection("hvroot_network_bytes_total", "Bytes of packets through a network interface.") { $0.bytes }
        perDirection("hvroot_network_dropped_total", "Packets that a network interface dropped.") { $0.dropped }
        output.family(
            "hvroot_network_spoofed_total", .counter,
            "Packets that a guest sent with another source address than its own; they were dropped.")
        for (vm, interface, counters) in interfaces {
            output.sample(
                "hvroot_network_spoofed_total", ["vm": vm, "interface": interface], counters.spoofed)
        }
    }
}
