import JSON
import ManagementService
import RESTServer
import TestHTTP
import Testing

@Suite struct StreamTests {
    @Test func eventsArriveAsTheyHappen() async throws {
        try await TestServer.run { test in
            test.service.record("vm.created", "before")
            let stream = try await EventStreamClient(test.address, "/v1/events")
            #expect(stream.answer.status == 200)
            #expect(stream.answer.header("Content-Type") == "text/event-stream")
            let greeting = try await stream.next()
            #expect(greeting?.id == "1")
            test.service.record("vm.state-changed", "a", ["state": "running"])
            let event = try await stream.nextEvent()
            #expect(event?.id == "2")
            #expect(event?.event == "vm.state-changed")
            let data = try JSONValue.parse(Array((event?.data ?? "").utf8))
            #expect(data["vm"]?.string == "a")
            #expect(data["state"]?.string == "running")
            #expect(data["sequence"]?.uint64 == 2)
            // Many at once, more than one batch.
            for number in 0..<500 { test.service.record("vm.updated", "a", ["n": JSONValue(number)]) }
            for number in 0..<500 { #expect(try await stream.nextEvent()?.id == String(number + 3)) }
            stream.abort()
        }
    }

    @Test func eventsResumeWhereTheClientWas() async throws {
        try await TestServer.run { test in
            for name in ["a", "b", "c", "d"] { test.service.record("vm.created", name) }
            let byHeader = try await EventStreamClient(
                test.address, "/v1/events?after=1", headers: [("Last-Event-ID", "2")])
            #expect(try await byHeader.nextEvent()?.id == "3")
            #expect(try await byHeader.nextEvent()?.id == "4")
            let byQuery = try await EventStreamClient(test.unixAddress, "/v1/events?after=0&vm=c")
            #expect(try await byQuery.nextEvent()?.id == "3")
            let list = try await httpRequest(
                test.address, "GET", "/v1/events?after=1&limit=2", headers: [("Accept", "application/json")])
            #expect(try list.json()["events"]?.array?.compactMap { $0["vm"]?.string } == ["b", "c"])
            #expect(try list.json()["lastSequence"]?.uint64 == 3)
        }
    }

    @Test func silentStreamsBeat() async throws {
        try await TestServer.run(configure: { $0.heartbeat = 0.5 }) { test in
            let stream = try await EventStreamClient(test.address, "/v1/events")
            _ = try await stream.next()
            #expect(try await stream.next()?.comment == "heartbeat")
        }
    }

    @Test func streamsOfClientsThatWentAreForgotten() async throws {
        try await TestServer.run(configure: { $0.heartbeat = 0.2 }) { test in
            let before = test.service.observerCount
            let streams = [
                try await EventStreamClient(test.address, "/v1/events"),
                try await EventStreamClient(test.address, "/v1/events"),
            ]
            #expect(try await eventually { test.service.observerCount == before + 2 })
            for stream in streams { stream.abort() }
            #expect(try await eventually { test.service.observerCount == before })
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    @Test func consoleIsLiveInBothDirections() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            test.service.printOnConsole("a", "old text")
            let socket = try await WebSocketClient(test.address, "/v1/vms/a/console")
            // RFC 6455's own example.
            #expect(socket.answer.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            try await socket.send(WebSocketClient.text, Array("ls\n".utf8))
            #expect(try await socket.receive(until: "LS\n") == "LS\n")
            try await socket.send(WebSocketClient.binary, Array("pwd\n".utf8))
            #expect(try await socket.receive(until: "PWD\n") == "PWD\n")
            try await socket.send(WebSocketClient.ping, Array("are you there".utf8))
            let pong = try await socket.receive()
            #expect(pong?.opcode == WebSocketClient.pong)
            #expect(pong?.text == "are you there")
            // In pieces, with a control frame between them.
            try await socket.send(WebSocketClient.text, Array("ec".utf8), isFinal: false)
            try await socket.send(0, Array("ho\n".utf8))
            #expect(try await socket.receive(until: "ECHO\n") == "ECHO\n")
            try await socket.send(WebSocketClient.close, [0x03, 0xE8])
            #expect(try await socket.receive()?.closeCode == 1000)
            #expect(try await socket.receive() == nil)
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    @Test func consoleIsReplayedFromAnOffset() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let text = String(repeating: "0123456789abcdef", count: 20_000) + "end"
            test.service.printOnConsole("a", text)
            let socket = try await WebSocketClient(test.unixAddress, "/v1/vms/a/console?offset=16")
            #expect(try await socket.receive(until: "end") == String(text.dropFirst(16)))
            test.service.printOnConsole("a", " and more")
            #expect(try await socket.receive(until: "more") == " and more")
            let tail = try await WebSocketClient(test.address, "/v1/vms/a/console?offset=-4")
            #expect(try await tail.receive(until: "more") == "more")
        }
    }

    @Test func consoleClosesWithItsVM() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let socket = try await WebSocketClient(test.address, "/v1/vms/a/console")
            #expect(try await httpRequest(test.address, "DELETE", "/v1/vms/a").status == 204)
            #expect(try await socket.receive()?.closeCode == 1001)
        }
    }

    @Test func brokenWebSocketsAreClosed() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            // An unmasked frame, a reserved opcode, a message over the limit.
            let frames: [([UInt8], Int)] = [
                ([0x81, 0x01, 0x61], 1002), ([0x83, 0x80, 0, 0, 0, 0], 1002),
                ([0x82, 0xFF, 0, 0, 0, 0, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x61], 1009),
            ]
            for (frame, code) in frames {
                let socket = try await WebSocketClient(test.address, "/v1/vms/a/console")
                try await socket.sendRaw(frame)
                #expect(try await socket.receive()?.closeCode == code)
            }
            let gone = try await WebSocketClient(test.address, "/v1/vms/a/console")
            gone.abort()
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    @Test func clientsThatDoNotReadHoldNothingUp() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let lazy = try await WebSocketClient(test.address, "/v1/vms/a/console")
            let eager = try await WebSocketClient(test.address, "/v1/vms/a/console")
            for _ in 0..<8 { test.service.printOnConsole("a", String(repeating: "x", count: 1 << 20)) }
            test.service.printOnConsole("a", "done")
            #expect(try await eager.receive(until: "done").utf8.count == 8 << 20 | 4)
            #expect(try await httpRequest(test.address, "GET", "/healthz").status == 200)
            lazy.abort()
        }
    }
}
