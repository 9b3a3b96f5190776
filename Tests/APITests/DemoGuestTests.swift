import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// The built-in guest in a worker process of its own, from the outside: on KVM, and on the port to `/dev/mshv` over
    /// its emulator.
    @Suite(.enabled(if: Programs.hasKvm, "needs /dev/kvm")) struct DemoGuestTests {
        /// A server with the VM `a` at its prompt.
        private static func booted(_ hypervisor: String) async throws -> (ServerFixture, API) {
            let fixture = try ServerFixture(hypervisor: hypervisor)
            let api = try await fixture.start()
            try await api.create("a")
            try await api.perform("start", on: "a")
            try await api.waitForConsole("ready> ", of: "a")
            return (fixture, api)
        }

        private static func type(_ text: String, to id: String, _ api: API) async throws {
            let answer = try await api.connection().request(
                "POST", "/v1/vms/\(id)/console", headers: [("Content-Type", "application/octet-stream")],
                body: Array(text.utf8))
            #expect(answer.status == 200)
            #expect(try answer.json()["written"]?.uint64 == UInt64(text.utf8.count))
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func consoleByRequests(_ hypervisor: String) async throws {
            let (_, api) = try await Self.booted(hypervisor)
            let vm = try await api.vm("a")
            #expect(vm["state"]?.string == "running")
            #expect(vm["hypervisor"]?.string == hypervisor && vm["simulated"]?.bool == false)
            let process = try #require(vm["processId"]?.uint64.flatMap { Int32(exactly: $0) })
            #expect(kill(process, 0) == 0)
            #expect(try await api.console("a").contains("hvroot demo guest\r\n"))
            try await Self.type("mem\r", to: "a", api)
            try await api.waitForConsole("memory 63 MiB", of: "a")
            try await Self.type("sum\recho one two\r", to: "a", api)
            try await api.waitForConsole("sum ok 0x", of: "a")
            try await api.waitForConsole("\none two\r\nready> ", of: "a")

            let whole = try await api.request("GET", "/v1/vms/a/console", expecting: 200)
            let offset = try #require(whole.header("Console-Offset").flatMap { Int($0) })
            #expect(offset == whole.body.count && whole.header("Console-Start") == "0")
            let part = try await api.request("GET", "/v1/vms/a/console?offset=-7&limit=3", expecting: 200)
            #expect(part.body == Array(whole.body.suffix(7).prefix(3)))
            #expect(part.header("Console-Offset") == String(offset - 4))

            try await Self.type("poweroff\r", to: "a", api)
            try await api.waitForState("stopped", of: "a")
            #expect(try await api.vm("a")["stateReason"]?["code"]?.string == "guest-poweroff")
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func consoleByWebSocket(_ hypervisor: String) async throws {
            let (_, api) = try await Self.booted(hypervisor)
            let socket = try await WebSocketClient(api.address, "/v1/vms/a/console?offset=0")
            #expect(try await socket.receive(until: "ready> ").hasPrefix("hvroot demo guest"))
            try await socket.send(WebSocketClient.text, Array("echo by text\r".utf8))
            #expect(try await socket.receive(until: "by text\r\nready> ").hasPrefix("echo by text\r\n"))
            // A second client sees the same, and what the first one types.
            let other = try await WebSocketClient(api.address, "/v1/vms/a/console?offset=0")
            #expect(try await other.receive(until: "by text\r\nready> ").hasPrefix("hvroot demo guest"))
            try await socket.send(WebSocketClient.binary, Array("echo by bytes\r".utf8))
            #expect(try await socket.receive(until: "\r\nby bytes\r\nready> ").contains("by bytes"))
            #expect(try await other.receive(until: "\r\nby bytes\r\nready> ").contains("by bytes"))
            other.abort()
            try await socket.send(WebSocketClient.ping, [1, 2, 3])
            let pong = try await socket.receive()
            #expect(pong?.opcode == WebSocketClient.pong && pong?.payload == [1, 2, 3])
            try await socket.send(WebSocketClient.close, [0x03, 0xE8])
            #expect(try await socket.receive()?.closeCode == 1000)
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func verbsAndLabels(_ hypervisor: String) async throws {
            let (_, api) = try await Self.booted(hypervisor)
            let process = try await api.vm("a")["processId"]
            try await api.perform("pause", on: "a")
            #expect(try await api.state("a") == "paused")
            try await Self.type("echo later\r", to: "a", api)
            try await Task.sleep(nanoseconds: 200_000_000)
            #expect(try await api.console("a").occurrences(of: "later") == 0)
            try await api.perform("resume", on: "a")
            try await api.waitForConsole("\nlater\r\nready> ", of: "a")

            let before = try await api.request("GET", "/v1/vms/a", expecting: 200)
            let tag = try #require(before.header("ETag"))
            let patched = try await api.request(
                "PATCH", "/v1/vms/a", #"{"labels": {"team": "x"}}"#, headers: [("If-Match", tag)], expecting: 200)
            #expect(try patched.json()["labels"]?["team"]?.string == "x")
            try await api.request(
                "PATCH", "/v1/vms/a", #"{"labels": {"team": "y"}}"#, headers: [("If-Match", tag)], expecting: 412)
            try await api.request("PATCH", "/v1/vms/a", #"{"vps": {"count": 2}}"#, expecting: 409)
            #expect(try await api.json("/v1/vms?label=team%3Dx")["vms"]?.array?.count == 1)

            try await api.perform("reset", on: "a")
            try await api.waitForConsole("hvroot demo guest\r\n", of: "a", count: 2)
            try await api.waitForConsole("ready> ", of: "a", count: 3)
            #expect(try await api.vm("a")["processId"] == process)

            try await api.perform("shutdown", on: "a")
            let stopped = try await api.vm("a")
            #expect(stopped["state"]?.string == "stopped" && stopped["processId"] == nil)
            #expect(stopped["stateReason"]?["code"]?.string == "guest-poweroff")
            #expect(try await api.console("a").contains("power button\r\n"))
            // And again, with more processors now.
            try await api.request("PATCH", "/v1/vms/a", #"{"vps": {"count": 2}}"#, expecting: 200)
            try await api.perform("start", on: "a")
            try await api.waitForConsole("hvroot demo guest\r\n", of: "a", count: 3)
            try await api.perform("stop", on: "a")
            try await api.request("DELETE", "/v1/vms/a", expecting: 204)
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func aKilledWorkerHarmsNobodyElse(_ hypervisor: String) async throws {
            let (fixture, api) = try await Self.booted(hypervisor)
            try await api.create("b")
            try await api.perform("start", on: "b")
            try await api.waitForConsole("ready> ", of: "b")
            let process = try #require(try await api.vm("a")["processId"]?.uint64.flatMap { Int32(exactly: $0) })
            kill(process, SIGKILL)
            try await api.waitForState("failed", of: "a")
            let reason = try await api.vm("a")["stateReason"]
            #expect(reason?["code"]?.string == "worker-killed")
            #expect(reason?["signal"]?.uint64 == 9)
            #expect(try await api.state("b") == "running")
            try await Self.type("echo alive\r", to: "b", api)
            try await api.waitForConsole("\nalive\r\n", of: "b")
            // What the dead guest printed is still there, and the VM starts again.
            #expect(try await api.console("a").contains("ready> "))
            try await api.perform("start", on: "a")
            try await api.waitForConsole("hvroot demo guest\r\n", of: "a", count: 2)
            #expect(fixture.workerCount == 2)
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func aCrashOfTheGuestIsTold(_ hypervisor: String) async throws {
            let (_, api) = try await Self.booted(hypervisor)
            try await Self.type("crash\r", to: "a", api)
            try await api.waitForState("failed", of: "a")
            #expect(try await api.vm("a")["stateReason"]?["code"]?.string == "triple-fault")
            try await api.perform("start", on: "a")
            try await api.waitForConsole("ready> ", of: "a", count: 2)
            try await Self.type("exit 7\r", to: "a", api)
            try await api.waitForState("stopped", of: "a")
            let reason = try await api.vm("a")["stateReason"]
            #expect(reason?["code"]?.string == "guest-debug-exit")
            #expect(reason?["message"]?.string?.contains("code 7") == true)
        }

        /// Crashes again and again: the guest is started again by its policy, with a core file, even when the server was
        /// killed meanwhile.
        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func aCrashedGuestIsRestarted(_ hypervisor: String) async throws {
            let fixture = try ServerFixture(hypervisor: hypervisor)
            let api = try await fixture.start()
            try await api.create("a")
            let patch = #"{"restart": {"policy": "on-failure", "initialDelay": 0.5}, "coreDump": true}"#
            let patched = try await api.request("PATCH", "/v1/vms/a", patch, expecting: 200).json()
            #expect(patched["restart"]?["policy"]?.string == "on-failure" && patched["coreDump"]?.bool == true)
            try await api.request(
                "PATCH", "/v1/vms/a", #"{"restart": {"policy": "sometimes"}}"#, expecting: 400)
            try await api.request(
                "PATCH", "/v1/vms/a", #"{"restart": {"policy": "always", "initialDelay": 0}}"#, expecting: 400)
            try await api.perform("start", on: "a")
            try await api.waitForConsole("ready> ", of: "a")

            try await Self.type("crash\r", to: "a", api)
            try await api.waitForState("failed", of: "a")
            let failed = try await api.vm("a")
            let core = try #require(failed["stateReason"]?["coreDump"]?.string)
            #expect(access(core, R_OK) == 0)
            #expect(failed["restart"]?["nextAt"] != nil && failed["restart"]?["count"]?.uint64 == 1)
            try await api.waitForConsole("ready> ", of: "a", count: 2)
            try await api.waitForState("running", of: "a")
            let running = try await api.vm("a")
            #expect(running["stateReason"]?["code"]?.string == "restarted" && running["restart"]?["nextAt"] == nil)
            // It can be changed at any time.
            try await api.request("PATCH", "/v1/vms/a", #"{"coreDump": false}"#, expecting: 409)
            try await api.request(
                "PATCH", "/v1/vms/a", #"{"restart": {"policy": "on-failure", "initialDelay": 1}}"#, expecting: 200)

            try await Self.type("crash\r", to: "a", api)
            try await api.waitForState("failed", of: "a")
            try await fixture.end(SIGKILL)
            let second = try await fixture.start()
            try await second.waitForConsole("ready> ", of: "a", count: 3)
            #expect(try await second.vm("a")["restart"]?["count"]?.uint64 == 2)
            // A guest that powers itself off has not failed.
            try await Self.type("poweroff\r", to: "a", second)
            try await second.waitForState("stopped", of: "a")
            #expect(try await second.vm("a")["restart"]?["nextAt"] == nil)
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func aGuestOutlivesItsServer(_ hypervisor: String) async throws {
            let (fixture, api) = try await Self.booted(hypervisor)
            try await api.create("b")
            try await api.perform("start", on: "b")
            try await api.perform("pause", on: "b")
            try await Self.type("echo before\r", to: "a", api)
            try await api.waitForConsole("\nbefore\r\n", of: "a")
            let before = try await api.vm("a")
            let paused = try await api.vm("b")
            let console = try await api.console("a")
            try await fixture.end(SIGKILL)

            let second = try await fixture.start()
            let after = try await second.vm("a")
            for member in ["id", "state", "partitionId", "startedAt", "createdAt", "processId", "boot", "memory"] {
                #expect(after[member] != nil && after[member] == before[member], "\(member)")
            }
            let other = try await second.vm("b")
            #expect(other["state"]?.string == "paused" && other["processId"] == paused["processId"])
            #expect(try await second.console("a").hasPrefix(console))
            try await Self.type("echo after\r", to: "a", second)
            try await second.waitForConsole("\nafter\r\n", of: "a")
            #expect(try await second.console("a").occurrences(of: "hvroot demo guest") == 1)

            // A guest that ends while no server is there is found out by the next.
            try await fixture.end(SIGTERM)
            let process = try #require(before["processId"]?.uint64.flatMap { Int32(exactly: $0) })
            #expect(kill(process, SIGKILL) == 0)
            try await eventually("the worker's end") { fixture.workerCount == 1 }
            let third = try await fixture.start()
            #expect(try await third.state("a") == "failed")
            #expect(try await third.state("b") == "paused")
            try await third.perform("resume", on: "b")
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func runningVMsAreDeletedByForce(_ hypervisor: String) async throws {
            let (fixture, api) = try await Self.booted(hypervisor)
            let refused = try await api.request("DELETE", "/v1/vms/a", expecting: 409).json()
            #expect(refused["type"]?.string == "urn:hvroot:problem:wrong-state")
            #expect(try await api.state("a") == "running")
            let operation = try await api.request("DELETE", "/v1/vms/a?force=true", expecting: 202).json()
            #expect(operation["verb"]?.string == "delete")
            #expect(try await api.waitForEnd(of: operation)["status"]?.string == "succeeded")
            try await api.request("GET", "/v1/vms/a", expecting: 404)
            try await eventually("the worker's end") { fixture.workerCount == 0 }
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func eventsTellTheRun(_ hypervisor: String) async throws {
            let fixture = try ServerFixture(hypervisor: hypervisor)
            let api = try await fixture.start()
            let stream = try await EventStreamClient(api.address, "/v1/events?after=0")
            #expect(stream.answer.status == 200)
            #expect(stream.answer.header("Content-Type") == "text/event-stream")
            try await api.create("a")
            try await api.perform("start", on: "a")
            let begun = try await Self.read(stream) { $0["state"]?.string == "running" }
            #expect(begun.first?["type"]?.string == "vm.created")
            #expect(begun.compactMap { $0["sequence"]?.uint64 } == (1...UInt64(begun.count)).map { $0 })
            #expect(begun.contains { $0["type"]?.string == "operation.created" })
            stream.abort()

            // What happened while nobody listened comes when the client connects again, also to the next server.
            try await api.perform("stop", on: "a")
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            let last = try #require(begun.last?["sequence"]?.uint64)
            let resumed = try await EventStreamClient(
                next.address, "/v1/events", headers: [("Last-Event-ID", String(last))])
            let rest = try await Self.read(resumed) { $0["state"]?.string == "stopped" }
            #expect(rest.first?["sequence"]?.uint64 == last + 1)
            try await next.request("DELETE", "/v1/vms/a", expecting: 204)
            _ = try await Self.read(resumed) { $0["type"]?.string == "vm.deleted" }
            resumed.abort()
            let list = try await next.request(
                "GET", "/v1/events?vm=a", headers: [("Accept", "application/json")], expecting: 200
            ).json()["events"]?.array
            #expect(list?.last?["type"]?.string == "vm.deleted")
            #expect((list?.count ?? 0) > begun.count + rest.count)
        }

        /// Events up to the first for which `isLast`.
        private static func read(
            _ stream: EventStreamClient, until isLast: (JSONValue) -> Bool
        ) async throws -> [JSONValue] {
            var events: [JSONValue] = []
            while let message = try await stream.nextEvent() {
                let event = try JSONValue.parse(Array((message.data ?? "").utf8))
                #expect(message.id == event["sequence"]?.uint64.map { String($0) })
                #expect(message.event == event["type"]?.string)
                events.append(event)
                if isLast(event) { return events }
            }
            throw TestHTTPError("the stream ended after \(events.count) events")
        }

        @Test(.timeLimit(.minutes(2)), arguments: Programs.realHypervisors)
        func operationsAreWaitedFor(_ hypervisor: String) async throws {
            let (_, api) = try await Self.booted(hypervisor)
            // Deaf to the power button while paused: refused at once, not after a timeout.
            try await api.perform("pause", on: "a")
            try await api.request("POST", "/v1/vms/a:shutdown", expecting: 409)
            try await api.perform("resume", on: "a")
            let stop = try await api.request("POST", "/v1/vms/a:stop", expecting: 202)
            let location = try #require(stop.header("Location"))
            let ended = try await api.json("\(location):wait?timeout=30")
            #expect(ended["status"]?.string == "succeeded" && ended["verb"]?.string == "stop")
            #expect(ended["endedAt"]?.string != nil && ended["vm"]?.string == "a")
            #expect(try await api.json(location) == ended)
            let list = try await api.json("/v1/operations?vm=a")["operations"]?.array
            #expect(list?.compactMap { $0["verb"]?.string } == ["start", "pause", "resume", "stop"])
        }
    }
}
