import Glibc
import LinuxSystem
import ManagementService
import MetricsExposition
import TestHTTP
import Testing

@Suite struct MetricsTests {
    /// The families' names in the order of their heads, and each sample under the family it stands in.
    private func families(_ text: String) -> [(name: String, samples: [Substring])] {
        var result: [(name: String, samples: [Substring])] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# HELP ") {
                result.append((String(line.split(separator: " ")[2]), []))
            } else if !line.hasPrefix("#"), !result.isEmpty {
                result[result.count - 1].samples.append(line)
            }
        }
        return result
    }

    @Test func familiesAreWholeAndNamedOnce() async throws {
        try await TestServer.run { test in
            try await test.createVM("web-1")
            try await test.createVM("web-2")
            let client = try test.connection()
            _ = try await client.request("POST", "/v1/vms/web-1:start")
            _ = try await client.request("GET", "/no/such/path")
            let answer = try await client.request("GET", "/metrics")
            #expect(answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
            let families = families(answer.text)
            #expect(Set(families.map(\.name)).count == families.count)
            for family in families {
                #expect(family.samples.allSatisfy { $0.hasPrefix(family.name) }, "\(family.name)")
                #expect(Set(family.samples.map { $0.prefix { $0 != " " } }).count == family.samples.count)
            }
            let lines = Set(answer.text.split(separator: "\n").map(String.init))
            let wanted = [
                #"hvroot_vm_state{vm="web-1",state="running"} 1"#, #"hvroot_vm_state{vm="web-1",state="failed"} 0"#,
                #"hvroot_vm_state{vm="web-2",state="defined"} 1"#,
                #"hvroot_vm_info{vm="web-1",partition_id="7",hypervisor="kvm"} 1"#,
                #"hvroot_vp_run_time_seconds_total{vm="web-1",vp="0"} 1.5"#,
                #"hvroot_vp_exits_total{vm="web-1",vp="0",reason="halt"} 4"#,
                #"hvroot_vm_console_bytes_total{vm="web-1"} 12"#,
                #"hvroot_hypercalls_total{vm="web-1",code="HvCallCreatePartition",status="HV_STATUS_SUCCESS"} 1"#,
                #"hvroot_hypervisor_info{kind="kvm",emulated="true",simulated="false"} 1"#,
                #"hvroot_api_requests_total{method="POST",route="/v1/vms",status="201"} 2"#,
                #"hvroot_api_requests_total{method="GET",route="unmatched",status="404"} 1"#,
                #"hvroot_api_request_duration_seconds_bucket{method="POST",route="/v1/vms",le="+Inf"} 2"#,
                #"hvroot_api_request_duration_seconds_count{method="POST",route="/v1/vms"} 2"#,
            ]
            for line in wanted { #expect(lines.contains(line), "\(line)") }
            #expect(!answer.text.contains(#"vp="0",reason="port_read""#), "reasons that never came are left out")
            try await checkWithPromtool(answer.body)
        }
    }

    @Test func labelsAreEscaped() {
        let requests = RequestMetrics()
        requests.record(method: "GET", route: "a\\b\"c\nd", status: 200, seconds: 0.002)
        let text = MetricsExposition.text(FakeService().metrics(), requests)
        #expect(text.contains(#"route="a\\b\"c\nd""#))
    }

    /// `promtool check metrics` of Debian's `prometheus`, where it is installed; it is in CI.
    private func checkWithPromtool(_ body: [UInt8]) async throws {
        guard access("/usr/bin/promtool", X_OK) == 0 else { return }
        let path = "/tmp/hvroot-metrics-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL).writeAll(body)
        defer { unlink(path) }
        let (status, output) = try await offPool { () -> (Int32, String) in
            guard let pipe = popen("/usr/bin/promtool check metrics < \(path) 2>&1", "r") else { throw Errno.last }
            var text = ""
            var line = [CChar](repeating: 0, count: 1024)
            while fgets(&line, Int32(line.count), pipe) != nil {
                text += String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
            return (pclose(pipe), text)
        }
        #expect(status == 0, "\(output)")
        #expect(output.isEmpty, "\(output)")
    }
}
