import JSON
import ManagementService
import PartitionManager
import Synchronization
import TestHTTP
import Testing

@testable import RESTServer

/// Bodies that are too large to be kept.
@Suite struct UploadTests {
    private static let path = "/v1/images/a/content"

    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) } }

    private static func sum(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 &* 31 &+ UInt64($1) } }

    private static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8)
    }

    @Test(arguments: [1, 65_536, 1 << 20, 5_000_001]) func aBodyComesWholeAndInOrder(_ count: Int) async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            let body = Self.bytes(count)
            let answer = try await client.request("PUT", "\(Self.path)?format=qcow2&label=team=a", body: body)
            #expect(answer.status == 201, "\(answer.text)")
            #expect(answer.header("Location") == "/v1/images/a" && answer.header("ETag") == "\"3\"")
            let image = try answer.json()
            #expect(image["format"]?.string == "qcow2" && image["labels"]?["team"]?.string == "a")
            let state = test.service.storage.state.withLock { $0 }
            #expect(state.written == count && state.sum == Self.sum(body) && state.cancellations == 0)
            #expect(state.largestPiece <= 2 << 20)
            // The connection goes on.
            #expect(try await client.request("GET", "/v1/images/a").status == 200)
        }
    }

    @Test func chunksOfAllSizesCome() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            let body = Self.bytes(3_000_000)
            try await client.send(
                Array("PUT \(Self.path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".utf8))
            var (place, size) = (0, 1)
            while place < body.count {
                try await client.send(Self.chunk(Array(body[place..<min(place + size, body.count)])))
                place += size
                size = size * 3 + 1
            }
            try await client.send(Array("0\r\n\r\n".utf8))
            #expect(try await client.answer(to: "PUT").status == 201)
            let state = test.service.storage.state.withLock { $0 }
            #expect(state.written == body.count && state.sum == Self.sum(body))
        }
    }

    /// The client waits while the disk is slow, and others are served meanwhile.
    @Test func aSlowDiskHoldsUpNobodyElse() async throws {
        try await TestServer.run(configure: { $0.threads = 1 }) { test in
            test.service.storage.state.withLock { $0.delay = 100_000_000 }
            let body = Self.bytes(4 << 20)
            let upload = Task { try await test.connection().request("PUT", Self.path, body: body) }
            #expect(try await eventually { test.service.storage.state.withLock { $0.written > 0 } })
            let clock = ContinuousClock()
            let before = clock.now
            #expect(try await test.connection().request("GET", "/healthz").status == 200)
            #expect(clock.now - before < .seconds(2))
            let answer = try await upload.value
            #expect(answer.status == 201)
            #expect(test.service.storage.state.withLock { $0.sum } == Self.sum(body))
        }
    }

    @Test func aBrokenConnectionEndsTheUpload() async throws {
        try await TestServer.run { test in
            for chunked in [false, true] {
                let client = try test.connection()
                let length = chunked ? "Transfer-Encoding: chunked" : "Content-Length: 99999999"
                try await client.send(Array("PUT \(Self.path) HTTP/1.1\r\nHost: x\r\n\(length)\r\n\r\n".utf8))
                let piece = Self.bytes(2 << 20)
                try await client.send(chunked ? Self.chunk(piece) : piece)
                #expect(try await eventually { test.service.storage.state.withLock { $0.written > 0 } })
                client.abort()
                let expected = chunked ? 2 : 1
                #expect(try await eventually { test.service.storage.state.withLock { $0.cancellations } == expected })
            }
            #expect(test.service.storage.state.withLock { $0.images.isEmpty })
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    /// Who asks for leave first sends no body; who does not gets the answer after it.
    @Test func refusalsComeBeforeOrAfterTheBody() async throws {
        try await TestServer.run { test in
            _ = try await test.connection().request("PUT", Self.path, body: [1])
            let asking = try test.connection()
            try await asking.send(
                Array(
                    "PUT \(Self.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
                        .utf8
                ))
            let refused = try await asking.answer(to: "PUT")
            #expect(refused.status == 409, "\(refused.text)")
            let body = Self.bytes(12 << 20)
            let after = try await test.connection().request("PUT", Self.path, body: body)
            #expect(try after.status == 409 && (after.json()["type"]?.string) == "urn:hvroot:problem:already-exists")
            for (query, field) in [("format=vmdk", "format"), ("label=x", "label"), ("speed=1", "speed")] {
                let answer = try await test.connection().request("PUT", "/v1/images/b/content?\(query)", body: body)
                #expect(try answer.status == 400 && (answer.json()["field"]?.string) == field, "\(answer.text)")
            }
            let coded = try await test.connection().request(
                "PUT", "/v1/images/b/content", headers: [("Content-Encoding", "gzip")], body: body)
            #expect(coded.status == 415)
            let part = try await test.connection().request(
                "PUT", "/v1/images/b/content", headers: [("Content-Range", "bytes 0-1/9")], body: [1, 2])
            #expect(part.status == 400)
        }
    }

    @Test func aFailureInTheMiddleIsTheAnswer() async throws {
        try await TestServer.run { test in
            test.service.storage.state.withLock { $0.failsAfter = 1 << 20 }
            let answer = try await test.connection().request("PUT", Self.path, body: Self.bytes(9 << 20))
            #expect(answer.status == 503 && answer.text.contains("The disk is full"), "\(answer.text)")
            let state = test.service.storage.state.withLock { $0 }
            #expect(state.cancellations == 1 && state.written < 4 << 20, "it went on writing")
        }
    }

    @Test func aClientThatDripsIsLetGoAlsoWhenItIsRefused() async throws {
        try await TestServer.run(configure: { $0.uploadGrace = 0.3 }) { test in
            _ = try await test.connection().request("PUT", Self.path, body: [1])
            let client = try test.connection()
            try await client.send(
                Array("PUT \(Self.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8))
            #expect(try await eventually { test.server.openRequests == 1 })
            for _ in 0..<200 where test.server.openRequests > 0 {
                try? await client.send([1])
                try await Task.sleep(nanoseconds: 20_000_000)
            }
            #expect(test.server.openRequests == 0)
            client.abort()
        }
    }

    @Test func aClientThatDripsIsLetGo() async throws {
        try await TestServer.run(configure: { $0.uploadGrace = 0.3 }) { test in
            let client = try test.connection()
            try await client.send(
                Array("PUT \(Self.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8))
            let drip = Task {
                for _ in 0..<200 {
                    do { try await client.send([1]) } catch { return }
                    try await Task.sleep(nanoseconds: 20_000_000)
                }
            }
            #expect(try await eventually { test.service.storage.state.withLock { $0.cancellations } == 1 })
            drip.cancel()
            client.abort()
        }
    }

    @Test func aServerThatStopsWaitsForNoUpload() async throws {
        try await TestServer.run { test in
            test.service.storage.state.withLock { $0.delay = 1_000_000_000 }
            let client = try test.connection()
            try await client.send(
                Array("PUT \(Self.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8))
            try await client.send(Self.bytes(2 << 20))
            try await Task.sleep(nanoseconds: 300_000_000)
            try await offPool { test.server.stop() }
            #expect(test.service.storage.state.withLock { $0.cancellations } == 1)
        }
    }
}
