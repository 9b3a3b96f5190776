import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Which hypervisor is taken, where the server listens, and what it says when it can't.
    @Suite struct HypervisorChoiceTests {
        private static func directories(_ directory: TemporaryDirectory) -> [String] {
            ["--state-dir", "\(directory.path)/state", "--run-dir", "\(directory.path)/run"]
        }

        @Test(.enabled(if: access("/dev/mshv", F_OK) != 0, "here is a /dev/mshv"))
        func mshvNeedsItsDevice() async throws {
            let directory = try TemporaryDirectory()
            let (end, log) = try await Programs.run(
                ["--listen", "http://127.0.0.1:0", "--hypervisor", "mshv"] + Self.directories(directory),
                in: directory)
            #expect(end == .exited(status: 1))
            #expect(log.contains("/dev/mshv is not there (this machine is no root of the Microsoft hypervisor)"))
            #expect(log.contains("--hypervisor kvm, simulated or auto"))
            #expect(!log.contains(" listening "))
        }

        @Test(arguments: ["simulated", "auto"]) func theChoiceIsReported(_ asked: String) async throws {
            let fixture = try ServerFixture(hypervisor: asked)
            let api = try await fixture.start()
            let host = try await api.json("/v1/host")["hypervisor"]
            #expect(host?["requested"]?.string == asked)
            let kind = try #require(host?["kind"]?.string)
            #expect(asked == "auto" ? ["kvm", "simulated"].contains(kind) : kind == "simulated")
            #expect(host?["simulated"]?.bool == (kind == "simulated"))
            #expect(host?["reason"]?.string?.isEmpty == false)
            let line = fixture.log.split(separator: "\n").first { $0.contains("hypervisor chosen") }
            #expect(line?.contains(" hypervisor=\(kind) requested=\(asked) ") == true)
            #expect(line?.contains(" reason=") == true)
            #expect(try await fixture.end(SIGTERM) == .exited(status: 0))
            #expect(fixture.log.contains("ending; guests go on signal=SIGTERM"))
        }

        @Test(arguments: [
            (["--hypervisor", "bogus"], "bogus"), (["--listen", "nonsense"], "expected http://HOST:PORT or unix:PATH"),
            (["--listen", "http://127.0.0.1:99999"], "not within 0...65535"),
            (["--listen", "https://127.0.0.1:1"], "TLS is not offered here"),
            (["--listen", "http://example.org:80"], "names are not looked up"),
            (["--listen", "unix:relative"], "must begin with /"), (["--log-level", "loud"], "loud"),
            (["--color"], "--color"), (["surplus"], "surplus"),
        ])
        func wrongOptionsAreUsageErrors(_ options: [String], _ fragment: String) async throws {
            let directory = try TemporaryDirectory()
            let (end, log) = try await Programs.run(options + Self.directories(directory), in: directory)
            #expect(end == .exited(status: 64))
            #expect(log.contains(fragment), "\(log)")
            #expect(log.contains("Usage: hvrootd"), "\(log)")
            #expect(access("\(directory.path)/state", F_OK) != 0)
        }

        @Test func aTakenPortIsAnError() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let (end, log) = try await Programs.run(
                ["--listen", api.address, "--hypervisor", "simulated"] + Self.directories(directory), in: directory)
            #expect(end == .exited(status: 1))
            #expect(log.contains("\(api.address): cannot listen there"))
        }

        @Test func aMissingWorkerIsAnError() async throws {
            let directory = try TemporaryDirectory()
            let (end, log) = try await Programs.run(
                ["--listen", "http://127.0.0.1:0", "--hypervisor", "kvm", "--worker", "/nowhere/worker"]
                    + Self.directories(directory), in: directory)
            #expect(end == .exited(status: 1))
            #expect(log.contains(Programs.hasKvm ? "/nowhere/worker" : "/dev/kvm"), "\(log)")
        }

        @Test func aStateDirectoryHasOneServer() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let other = try TemporaryDirectory()
            let (end, log) = try await Programs.run(["--listen", "http://127.0.0.1:0"] + fixture.options, in: other)
            #expect(end == .exited(status: 1))
            let first = try #require(fixture.processID)
            #expect(log.contains("is in use by the hvrootd with process id \(first)"), "\(log)")
            try await api.request("GET", "/healthz", expecting: 200)
        }

        @Test func unixSocketsAreServed() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let path = "\(fixture.directory.path)/api.sock"
            // What a killed server left is replaced.
            for _ in 0..<2 {
                let api = try await fixture.start(listen: ["unix:\(path)", "http://127.0.0.1:0"])
                #expect(api.address == "unix:\(path)")
                try await api.request("GET", "/healthz", expecting: 200)
                try await fixture.end(SIGKILL)
            }
        }

        /// As systemd does it: the listening socket is descriptor 3 and the variables name the process.
        @Test func passedSocketsAreServed() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let socket = try ListeningSocket()
            let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\""
            let process = try Programs.start(
                "/bin/sh", ["-c", script, "sh", Programs.path("hvrootd")] + fixture.options, log: fixture.logPath,
                extra: socket.descriptor.raw)
            let api = try await fixture.adopt(process)
            #expect(api.address == "http://127.0.0.1:\(socket.port)")
            try await api.create("passed")
            try await api.perform("start", on: "passed")
            #expect(try await fixture.end(SIGTERM) == .exited(status: 0))
        }

        @Test func variablesForAnotherProcessAreNoSockets() async throws {
            let directory = try TemporaryDirectory()
            let socket = try ListeningSocket()
            let log = "\(directory.path)/log"
            let process = try Programs.start(
                "/bin/sh",
                [
                    "-c", "export LISTEN_PID=1 LISTEN_FDS=1; exec \"$@\"", "sh", Programs.path("hvrootd"),
                    "--hypervisor", "simulated",
                ] + Self.directories(directory), log: log, extra: socket.descriptor.raw)
            let end = try await Programs.end(of: process)
            #expect(end == .exited(status: 1))
            #expect(Programs.text(of: log).contains("nothing to listen on"))
        }
    }
}

/// What systemd holds for a service.
private final class ListeningSocket {
    let descriptor: FileDescriptor
    let port: UInt16

    init() throws {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard raw >= 0 else { throw Errno.last }
        descriptor = FileDescriptor(owning: raw)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            // A sockaddr_in begins as sockaddr does, and the kernel is told its true size.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(raw, generic, length) == 0 && listen(raw, 16) == 0 && getsockname(raw, generic, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isListening else { throw Errno.last }
    }
}
