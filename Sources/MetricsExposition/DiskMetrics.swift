import BlockStorage
import ManagementService
import PartitionManager
import WorkerProtocol

extension MetricsExposition {
    /// What guests did with their disks in their current or last runs.
    static func writeDisks(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        let disks = snapshot.vms.flatMap { vm, statistics in
            vm.specification.disks.compactMap { disk in
                statistics?.disks[disk.id].map { (vm: vm.id, disk: disk.id, counters: $0) }
            }
        }
        func perOperation(_ name: String, _ help: String, _ values: (DiskCounters) -> [(String, UInt64)]) {
            output.family(name, .counter, help)
            for (vm, disk, counters) in disks {
                for (operation, value) in values(counters) {
                    output.sample(name, ["vm": vm, "disk": disk, "operation": operation], value)
                }
            }
        }
        perOperation(
            "hvroot_disk_requests_total", "Requests to a disk by operation, those that failed among them."
        ) { counters in
            zip(DiskCounters.Kind.allCases, counters.operations).map { ("\($0)", $1) }
        }
        perOperation("hvroot_disk_bytes_total", "Bytes read from, written to and discarded from a disk.") {
            [("read", $0.bytesRead), ("write", $0.bytesWritten), ("discard", $0.bytesDiscarded)]
        }
        output.family("hvroot_disk_errors_total", .counter, "Requests to a disk that failed.")
        for (vm, disk, counters) in disks {
            output.sample("hvroot_disk_errors_total", ["vm": vm, "disk": disk], counters.errors)
        }
    }
}
