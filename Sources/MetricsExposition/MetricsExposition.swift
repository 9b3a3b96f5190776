import HypercallABI
import Hypervisor
import LinuxSystem
import ManagementService
import PartitionManager

/// Makes the text of `GET /metrics`.
package enum MetricsExposition {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Everything in `snapshot` and `requests` in the Prometheus text format 0.0.4: each family once, its samples
    /// together.
    package static func text(_ snapshot: MetricsSnapshot, _ requests: RequestMetrics) -> String {
        var output = PrometheusText()
        writeHost(snapshot, to: &output)
        writeStates(snapshot, to: &output)
        writeProcessors(snapshot, to: &output)
        writeMachines(snapshot, to: &output)
        writeDisks(snapshot, to: &output)
        writeStorage(snapshot.storage, to: &output)
        writeNetworkResources(snapshot, to: &output)
        writeNetworks(snapshot, to: &output)
        writeBalloons(snapshot, to: &output)
        writeService(snapshot, to: &output)
        writeRequests(requests.snapshot(), to: &output)
        return output.text
    }

    private static func writeHost(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        let host = snapshot.host
        output.family("hvroot_build_info", .gauge, "The server's version; the value is always 1.")
        output.sample("hvroot_build_info", ["version": host.version], UInt64(1))
        output.family(
            "hvroot_hypervisor_info", .gauge,
            "The hypervisor in use, whether it is emulated in software and whether no guest code runs at all; "
                + "the value is always 1.")
        output.sample(
            "hvroot_hypervisor_info",
            [
                "kind": host.hypervisor.kind, "emulated": String(host.hypervisor.isEmulated),
                "simulated": String(host.hypervisor.isSimulated),
            ], UInt64(1))
        output.family("hvroot_start_time_seconds", .gauge, "When the server started, in seconds since 1970.")
        output.sample("hvroot_start_time_seconds", [:], seconds(host.startedAt))
        output.family("hvroot_host_processors", .gauge, "Logical processors of the host.")
        output.sample("hvroot_host_processors", [:], UInt64(clamping: host.processorCount))
        output.family("hvroot_host_memory_bytes", .gauge, "Memory of the host.")
        output.sample("hvroot_host_memory_bytes", [:], host.memoryTotal)
        output.family("hvroot_host_memory_available_bytes", .gauge, "Memory of the host that new work can have.")
        output.sample("hvroot_host_memory_available_bytes", [:], host.memoryAvailable)
        output.family("hvroot_vms", .gauge, "VMs the server knows.")
        output.sample("hvroot_vms", [:], UInt64(clamping: host.vmCount))
    }

    private static func writeStates(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        output.family("hvroot_vm_state", .gauge, "1 for the state a VM is in, 0 for each other state.")
        for (vm, _) in snapshot.vms {
            for state in VMState.allCases {
                output.sample(
                    "hvroot_vm_state", ["vm": vm.id, "state": state.rawValue], UInt64(vm.state == state ? 1 : 0))
            }
        }
        output.family("hvroot_vm_info", .gauge, "A VM's partition and hypervisor; the value is always 1.")
        for (vm, _) in snapshot.vms {
            output.sample(
                "hvroot_vm_info",
                [
                    "vm": vm.id, "partition_id": vm.partitionID.map { String($0) } ?? "",
                    "hypervisor": vm.hypervisor.kind.rawValue,
                ], UInt64(1))
        }
        output.family("hvroot_vm_vps", .gauge, "Virtual processors a VM is defined with.")
        for (vm, _) in snapshot.vms {
            output.sample("hvroot_vm_vps", ["vm": vm.id], UInt64(clamping: vm.specification.vpCount))
        }
        output.family(
            "hvroot_vm_vps_present", .gauge, "Virtual processors that a guest has, where they can come and go.")
        for (vm, _) in snapshot.vms {
            guard let present = vm.presentVPs else { continue }
            output.sample("hvroot_vm_vps_present", ["vm": vm.id], UInt64(clamping: present))
        }
        output.family("hvroot_vm_memory_bytes", .gauge, "Memory a VM is defined with.")
        for (vm, _) in snapshot.vms {
            output.sample("hvroot_vm_memory_bytes", ["vm": vm.id], vm.specification.memorySize)
        }
        output.family(
            "hvroot_vm_start_time_seconds", .gauge, "When a VM's current run began, in seconds since 1970.")
        for (vm, _) in snapshot.vms {
            guard let startedAt = vm.startedAt else { continue }
            output.sample("hvroot_vm_start_time_seconds", ["vm": vm.id], seconds(startedAt))
        }
    }

    private static func writeProcessors(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        output.family(
            "hvroot_vp_run_time_seconds_total", .counter,
            "Processor time a virtual processor has used in its VM's current or last run.")
        for (vm, statistics) in snapshot.vms {
            for (index, time) in (statistics?.vpRunTime ?? []).enumerated() {
                output.sample("hvroot_vp_run_time_seconds_total", ["vm": vm.id, "vp": String(index)], seconds(time))
            }
        }
        output.family("hvroot_vp_exits_total", .counter, "Exits of a virtual processor by reason.")
        for (vm, statistics) in snapshot.vms {
            for (index, counts) in (statistics?.exits ?? []).enumerated() {
                // Reasons that never came are left out: most of them never come.
                for (reason, count) in zip(ExitReason.allCases, counts) where count > 0 {
                    output.sample(
                        "hvroot_vp_exits_total", ["vm": vm.id, "vp": String(index), "reason": reason.label], count)
                }
            }
        }
    }

    private static func writeMachines(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        func perMachine(
            _ name: String, _ kind: PrometheusText.Kind, _ help: String, _ value: (GuestStatistics) -> UInt64
        ) {
            output.family(name, kind, help)
            for (vm, statistics) in snapshot.vms {
                if let statistics { output.sample(name, ["vm": vm.id], value(statistics)) }
            }
        }
        perMachine("hvroot_vm_console_bytes_total", .counter, "Bytes a guest has sent to its serial port.") {
            $0.consoleBytes
        }
        perMachine("hvroot_vm_memory_mapped_bytes", .gauge, "Guest memory mapped into a partition.") {
            $0.memoryMapped
        }
        perMachine(
            "hvroot_vm_memory_deposited_bytes", .gauge, "Memory deposited to the hypervisor for a partition."
        ) { $0.memoryDeposited }
        perMachine("hvroot_vm_reboots_total", .counter, "Reboots and resets of a guest in its current or last run.") {
            $0.reboots
        }
        output.family("hvroot_hypercalls_total", .counter, "Hypercalls made for a VM by code and status.")
        for (vm, statistics) in snapshot.vms {
            for call in statistics?.hypercalls ?? [] {
                output.sample(
                    "hvroot_hypercalls_total",
                    ["vm": vm.id, "code": call.code.description, "status": call.status.description], call.count)
            }
        }
    }

    private static func writeService(_ snapshot: MetricsSnapshot, to output: inout PrometheusText) {
        output.family("hvroot_operations_total", .counter, "Operations begun by verb and status.")
        for operation in snapshot.operations {
            output.sample(
                "hvroot_operations_total", ["verb": operation.verb, "status": operation.status], operation.count)
        }
        output.family("hvroot_events_total", .counter, "Events recorded.")
        output.sample("hvroot_events_total", [:], snapshot.eventsTotal)
    }

    private static func writeRequests(_ requests: RequestMetrics.State, to output: inout PrometheusText) {
        output.family("hvroot_api_requests_total", .counter, "API requests answered by method, route and status.")
        let counts = requests.requests.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        for (key, count) in counts {
            output.sample(
                "hvroot_api_requests_total",
                ["method": key.method, "route": key.route, "status": String(key.status)], count)
        }
        let name = "hvroot_api_request_duration_seconds"
        output.family(name, .histogram, "Time from a request's first line to its answer's being ready.")
        let latencies = requests.latencies.sorted { ($0.key.route, $0.key.method) < ($1.key.route, $1.key.method) }
        for (key, latency) in latencies {
            var cumulative: UInt64 = 0
            let bounds = RequestMetrics.bounds.map { String($0) } + ["+Inf"]
            for (bound, count) in zip(bounds, latency.buckets) {
                cumulative &+= count
                output.sample(
                    "\(name)_bucket", ["method": key.method, "route": key.route, "le": bound], cumulative)
            }
            output.sample("\(name)_sum", ["method": key.method, "route": key.route], latency.sum)
            output.sample("\(name)_count", ["method": key.method, "route": key.route], cumulative)
        }
    }

    private static func seconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1_000_000_000 }
}
