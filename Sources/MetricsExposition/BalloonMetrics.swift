import DeviceSettings
import ManagementService
import PartitionManager
import WorkerProtocol

extension MetricsExposition {
    /// How guests' balloons are, and what the guests say of their memory.
    static func writeBalloons(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        let balloons = snapshot.vms.compactMap { vm, statistics in
            statistics?.balloon.map { (vm: vm, counters: $0) }
        }
        output.family(
            "hvroot_balloon_target_bytes", .gauge, "Memory that a guest with a balloon is to make do with.")
        for (vm, _) in balloons {
            output.sample(
                "hvroot_balloon_target_bytes", ["vm": vm.id],
                vm.specification.deviceSettings.balloon?.target ?? vm.specification.memorySize)
        }
        output.family("hvroot_balloon_inflated_bytes", .gauge, "Memory in a guest's balloon, as the guest says.")
        for (vm, counters) in balloons {
            output.sample("hvroot_balloon_inflated_bytes", ["vm": vm.id], counters.inflated)
        }
        output.family(
            "hvroot_balloon_returned_bytes_total", .counter,
            "Memory that a guest's balloon and its reports of free pages gave back to the host.")
        for (vm, counters) in balloons {
            output.sample("hvroot_balloon_returned_bytes_total", ["vm": vm.id], counters.returned)
        }
        for value in BalloonCounters.Value.allCases {
            let (name, kind, help) = family(of: value)
            output.family(name, kind, help)
            for (vm, counters) in balloons {
                if let number = counters.values[value] { output.sample(name, ["vm": vm.id], number) }
            }
        }
    }

    /// All of it is the guest's word.
    private static func family(of value: BalloonCounters.Value) -> (String, PrometheusText.Kind, String) {
        let guest = "hvroot_guest_memory_"
        return switch value {
        case .swapIn: (guest + "swapped_in_bytes_total", .counter, "Memory that a guest read from its swap.")
        case .swapOut: (guest + "swapped_out_bytes_total", .counter, "Memory that a guest wrote to its swap.")
        case .majorFaults: (guest + "major_faults_total", .counter, "Page faults of a guest that needed its disk.")
        case .minorFaults: (guest + "minor_faults_total", .counter, "Page faults of a guest that needed no disk.")
        case .memoryFree: (guest + "free_bytes", .gauge, "Memory that nobody uses in a guest.")
        case .memoryTotal: (guest + "total_bytes", .gauge, "Memory that a guest has without its balloon.")
        case .memoryAvailable:
            (guest + "available_bytes", .gauge, "Memory that a guest's programs could have without swapping.")
        case .diskCaches: (guest + "disk_cache_bytes", .gauge, "Memory that holds files in a guest.")
        case .hugePageAllocations:
            (guest + "huge_page_allocations_total", .counter, "Huge pages that a guest allocated.")
        case .hugePageFailures:
            (guest + "huge_page_failures_total", .counter, "Huge pages that a guest could not allocate.")
        case .oomKills: (guest + "oom_kills_total", .counter, "Processes that a guest killed for want of memory.")
        case .allocationStalls:
            (guest + "allocation_stalls_total", .counter, "Allocations in a guest that waited for memory.")
        case .asynchronousScans:
            (guest + "asynchronously_scanned_bytes_total", .counter, "Memory that a guest's kernel threads looked at.")
        case .directScans:
            (guest + "directly_scanned_bytes_total", .counter, "Memory that a guest's allocations looked at.")
        case .asynchronousReclaims:
            (
                guest + "asynchronously_reclaimed_bytes_total", .counter,
                "Memory that a guest's kernel threads reclaimed."
            )
        case .directReclaims:
            (guest + "directly_reclaimed_bytes_total", .counter, "Memory that a guest's allocations reclaimed.")
        }
    }
}
