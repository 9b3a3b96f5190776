import ManagementService
import PartitionManager
import VirtualNetworks

extension MetricsExposition {
    static func writeNetworkResources(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        output.family("hvroot_networks", .gauge, "Networks the server has, by mode.")
        for mode in NetworkDefinition.Mode.allCases {
            let count = snapshot.networks.filter { $0.network.definition.mode == mode }.count
            output.sample("hvroot_networks", ["mode": mode.rawValue], UInt64(clamping: count))
        }
        output.family("hvroot_network_ready", .gauge, "Whether a network is on the host as it should be.")
        for view in snapshot.networks {
            output.sample(
                "hvroot_network_ready", ["network": view.network.id], UInt64(view.status.state == .ready ? 1 : 0))
        }
        output.family("hvroot_network_interfaces", .gauge, "Interfaces of VMs in a network.")
        for view in snapshot.networks {
            output.sample(
                "hvroot_network_interfaces", ["network": view.network.id], UInt64(clamping: view.members.count))
        }
        output.family(
            "hvroot_network_dnsmasq_ends_total", .counter, "How often a network's dnsmasq has ended by itself.")
        for view in snapshot.networks where view.network.definition.isMade {
            output.sample("hvroot_network_dnsmasq_ends_total", ["network": view.network.id], view.status.restarts)
        }
        output.family("hvroot_metadata_requests_total", .counter, "Answers of guests' metadata services, by status.")
        for (status, count) in snapshot.metadataAnswers.sorted(by: { $0.key < $1.key }) {
            output.sample("hvroot_metadata_requests_total", ["status": String(status)], count)
        }
    }
}
