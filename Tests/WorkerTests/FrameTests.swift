import BlockStorage
import BootLoader
import DeviceSources
import Hypervisor
import JSON
import NetworkBackends
import Testing
import WorkerProtocol

@Suite("Frames and messages")
struct FrameTests {
    static let disk = DiskSource(
        id: "d", path: "/d", format: .qcow2, isReadOnly: true, backing: "/b", rateLimit: .init(operationsPerSecond: 5))

    static let interface = NetworkSource(
        id: "n", mac: MACAddress([2, 0, 0, 0, 0, 1]), tap: .init(name: "t", bridge: "b"))

    static let messages: [WorkerMessage] = [
        .hello(WorkerHello(vmID: "web-1", runID: "r1", processID: 7, startedAt: .max, isPaused: true, reboots: 3)),
        .request(WorkerRequest(id: 1, method: .pause)),
        .request(WorkerRequest(id: 2, method: .resume)),
        .request(WorkerRequest(id: 3, method: .reset)),
        .request(WorkerRequest(id: 4, method: .powerButton)),
        .request(WorkerRequest(id: 5, method: .attach(.disk(disk)))),
        .request(WorkerRequest(id: 6, method: .detach(.disk("d"), force: true))),
        .request(WorkerRequest(id: 7, method: .keep(.disk("d")))),
        .request(WorkerRequest(id: 8, method: .limit(.disk("d"), nil))),
        .request(
            WorkerRequest(
                id: 9, method: .limit(.disk("d"), .init(bytesPerSecond: 1 << 20, operationsPerSecond: nil)))),
        .event(.ejected(.disk("d"))),
        .request(WorkerRequest(id: 5, method: .attach(.networkInterface(interface)))),
        .request(WorkerRequest(id: 6, method: .detach(.networkInterface("n"), force: false))),
        .request(WorkerRequest(id: 7, method: .keep(.networkInterface("n")))),
        .request(
            WorkerRequest(
                id: 8, method: .limit(.networkInterface("n"), .init(bytesPerSecond: nil, operationsPerSecond: 9)))),
        .event(.ejected(.networkInterface("n"))),
        .hello(
            WorkerHello(
                vmID: "a", runID: "r", processID: 7, startedAt: 8, isPaused: false, reboots: 0,
                devices: [.disk: [.disk(disk)], .networkInterface: []])),
        .request(WorkerRequest(id: 5, method: .stop)),
        .request(WorkerRequest(id: 6, method: .status)),
        .request(WorkerRequest(id: .max, method: .consoleWrite([0, 255, 10, 13]))),
        .request(WorkerRequest(id: 7, method: .setMemory(1 << 40))),
        .request(WorkerRequest(id: 7, method: .setProcessors(254))),
        .request(WorkerRequest(id: 8, method: .setBalloon(size: 1 << 30, statisticsInterval: 5))),
        .event(.watchdogExpired),
        .event(.processors(3)),
        .response(WorkerResponse(id: 1, result: .done)),
        .response(WorkerResponse(id: 2, result: .taken(4))),
        .response(WorkerResponse(id: 3, result: .status(isPaused: false, consoleTotal: 99))),
        .response(WorkerResponse(id: 4, result: .failed("no \"such\" thing\n"))),
        .event(.consoleAdvanced(total: 12)),
        .event(.rebooted),
        .event(.ended),
        .acknowledge(consoleTotal: 12),
    ]

    @Test func messagesSurviveTheWireAtEverySplit() throws {
        let stream = Self.messages.flatMap { $0.bytes ?? [] }
        for split in 0...stream.count {
            var decoder = FrameDecoder()
            var seen: [WorkerMessage] = []
            for part in [stream[..<split], stream[split...]] {
                decoder.append(part)
                while let frame = try decoder.next() { seen.append(try WorkerMessage(frame)) }
            }
            #expect(seen == Self.messages)
        }
    }

    @Test func messagesSurviveTheWireByteByByte() throws {
        var decoder = FrameDecoder()
        var seen: [WorkerMessage] = []
        for byte in Self.messages.flatMap({ $0.bytes ?? [] }) {
            decoder.append([byte])
            while let frame = try decoder.next() { seen.append(try WorkerMessage(frame)) }
        }
        #expect(seen == Self.messages)
    }

    @Test func theLayoutIsFixed() {
        #expect(Frame(kind: 0x0203, payload: [0xAA]).bytes == [5, 0, 0, 0, 1, 0, 3, 2, 0xAA])
    }

    @Test func refusesLengthsAndVersionsItDoesNotKnow() {
        var long = FrameDecoder()
        long.append([1, 0, 16, 0])
        #expect(throws: FrameError.length(1 << 20 | 1)) { try long.next() }
        #expect(throws: FrameError.length(1 << 20 | 1)) { try long.next() }
        var short = FrameDecoder()
        short.append([3, 0, 0, 0])
        #expect(throws: FrameError.length(3)) { try short.next() }
        var version = FrameDecoder()
        version.append([4, 0, 0, 0, 9, 0, 1, 0])
        #expect(throws: FrameError.version(9)) { try version.next() }
        #expect(Frame(kind: 1, payload: [UInt8](repeating: 0, count: Frame.maximumLength - 3)).bytes == nil)
        #expect(Frame(kind: 1, payload: [UInt8](repeating: 0, count: Frame.maximumLength - 4)).bytes != nil)
    }

    @Test func garbageIsAnErrorAndNeverMore() {
        var random = Seeded(state: 42)
        for round in 0..<2000 {
            var decoder = FrameDecoder()
            var bytes = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            // Half of them with a good header, so that the payload's reader gets its share.
            if round % 2 == 0 {
                let payload = Array(bytes)
                bytes = Frame(kind: UInt16.random(in: 0...6, using: &random), payload: payload).bytes ?? []
            }
            decoder.append(bytes)
            do {
                while let frame = try decoder.next() { _ = try WorkerMessage(frame) }
            } catch {
                #expect(!"\(error)".isEmpty)
            }
        }
    }

    @Test func changedMessagesAreErrorsOrMessages() throws {
        var random = Seeded(state: 43)
        for message in Self.messages {
            let bytes = try #require(message.bytes)
            for _ in 0..<200 {
                var changed = bytes
                changed[Int.random(in: 8..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                var decoder = FrameDecoder()
                decoder.append(changed)
                _ = try? decoder.next().map { try WorkerMessage($0) }
            }
        }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64IsThatOfTheRFC(plain: String, text: String) {
        #expect(Base64.encode(Array(plain.utf8)) == text)
        #expect(Base64.decode(text) == Array(plain.utf8))
    }

    @Test(arguments: ["Z", "Zg=", "Zg", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-v", "=Zm9"])
    func otherBase64IsRefused(text: String) { #expect(Base64.decode(text) == nil) }

    @Test func launchAndResultSurviveJSON() throws {
        let launch = WorkerLaunch(
            vmID: "a", runID: "b", directory: "/d", runDirectory: "/r", partitionID: .max, vpCount: 254,
            memorySize: 1 << 40,
            boot: .init(kernel: "k", initrd: "i", commandLine: "a \"b\"", format: .flat, loadAddress: .max),
            simulation: .init(seed: .max, lifetime: 5))
        #expect(try WorkerLaunch(JSONValue.parse(launch.json.serialized())) == launch)
        let directory = try TemporaryDirectory()
        let result = RunResult(runID: "b", end: .debugExit, code: 255, message: "x", endedAt: 1)
        try result.write(directory: directory.path)
        #expect(RunResult.read(directory: directory.path, runID: "b") == result)
        #expect(RunResult.read(directory: directory.path, runID: "c") == nil)
    }
}
