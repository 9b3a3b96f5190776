import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

/// What the dispatcher refuses before any handler sees it, and how repetitions are counted.
@Suite struct DispatcherTests {
    private let id: [UInt8] = [9, 0, 0, 0, 0, 0, 0, 0]

    @Test func unknownCodes() throws {
        let bench = try Bench()
        for code in [0, 1, 0x3F, 0x4A, 0x7F, 0x8001, 0xFFFF] as [UInt16] {
            let (result, _) = bench.execute(ControlWord(CallCode(rawValue: code)), id)
            #expect(result == ResultWord(.invalidHypercallCode), "0x\(String(code, radix: 16))")
        }
    }

    @Test func malformedControlWords() throws {
        let bench = try Bench()
        let simple = ControlWord(.initializePartition, fast: true)
        let repeated = ControlWord(.unmapGpaPages, repCount: 2)
        var refused: [(String, ControlWord)] = [
            ("nested", ControlWord(rawValue: simple.rawValue | 1 << 31)),
            ("variable header", ControlWord(.initializePartition, variableHeaderSize: 1)),
            ("repetitions of a simple call", ControlWord(.initializePartition, repCount: 1)),
            ("start of a simple call", ControlWord(.initializePartition, repStart: 1)),
            ("no repetitions", ControlWord(.unmapGpaPages)),
            ("start at the end", ControlWord(.unmapGpaPages, repCount: 2, repStart: 2)),
            ("start behind the end", ControlWord(.unmapGpaPages, repCount: 2, repStart: 4095)),
            ("fast with repetitions", ControlWord(.unmapGpaPages, fast: true, repCount: 1)),
            ("fast with 24 bytes", ControlWord(.setPartitionProperty, fast: true)),
            ("fast with output", ControlWord(.getPartitionProperty, fast: true)),
            ("input of more than a page", ControlWord(.mapGpaPages, repCount: 510)),
            ("output of more than a page", ControlWord(.getVpRegisters, repCount: 257)),
        ]
        for bit in [27, 28, 29, 30, 44, 45, 46, 47, 60, 61, 62, 63] {
            refused.append(("reserved bit \(bit)", ControlWord(rawValue: simple.rawValue | 1 << bit)))
            refused.append(("reserved bit \(bit)", ControlWord(rawValue: repeated.rawValue | 1 << bit)))
        }
        for (what, control) in refused {
            let (result, _) = bench.execute(control, [UInt8](repeating: 0, count: 8192), output: 8192)
            #expect(result.status == .invalidHypercallInput, "\(what)")
        }
    }

    @Test func shortInputAndOutput() throws {
        let bench = try Bench()
        for code in CallCatalogue.codes {
            let form = try #require(CallCatalogue.definition(of: code)?.form)
            let reps = form.repetition == nil ? 0 : 2
            let inputSize = form.inputSize + (form.repetition?.inputSize ?? 0) * reps
            let outputSize = form.outputSize + (form.repetition?.outputSize ?? 0) * reps
            let control = ControlWord(code, repCount: reps)
            let zeros = [UInt8](repeating: 0, count: inputSize)
            for count in 0..<inputSize {
                let (result, _) = bench.execute(control, Array(zeros[..<count]), output: outputSize)
                #expect(result.status == .invalidHypercallInput, "\(code) with \(count) bytes")
            }
            for count in 0..<outputSize {
                let (result, _) = bench.execute(control, zeros, output: count)
                #expect(result.status == .invalidHypercallInput, "\(code) with room for \(count) bytes")
            }
            let (result, _) = bench.execute(control, zeros, output: outputSize)
            #expect(result.status != .invalidHypercallInput, "\(code)")
        }
    }

    @Test func reservedFields() throws {
        let bench = try Bench()
        let fields: [(CallCode, Int, HypercallStatus)] = [
            (.createPartition, 20, .invalidParameter), (.createPartition, 23, .invalidParameter),
            (.createPartition, 49, .invalidParameter),  // isolation bits 8...11
            (.createPartition, 13, .invalidProximityDomainInfo),
            (.getPartitionProperty, 12, .invalidParameter), (.setPartitionProperty, 15, .invalidParameter),
            (.withdrawMemory, 13, .invalidProximityDomainInfo), (.createVp, 29, .invalidProximityDomainInfo),
            (.deleteVp, 12, .invalidParameter), (.getVpRegisters, 13, .invalidParameter),
            (.setVpRegisters, 15, .invalidParameter),
        ]
        for (code, offset, expected) in fields {
            let form = try #require(CallCatalogue.definition(of: code)?.form)
            var input = [UInt8](
                repeating: 0, count: form.inputSize + (form.repetition?.inputSize ?? 0))
            input[offset] = 0x0F
            let control = ControlWord(code, repCount: form.repetition == nil ? 0 : 1)
            let (result, _) = bench.execute(control, input, output: 64)
            #expect(result.status == expected, "\(code) byte \(offset)")
        }
        var vtl = bytes(of: VPRegistersInput(partition: PartitionID(rawValue: 1), index: 0)) + [0, 0, 0, 0]
        vtl[12] = 0x20
        #expect(bench.execute(ControlWord(.getVpRegisters, repCount: 1), vtl, output: 16).0.status == .invalidParameter)
    }

    @Test func fastAndMemoryFormsAreTheSame() throws {
        let bench = try Bench()
        #expect(bench.execute(ControlWord(.deletePartition, fast: true), id).0.status == .invalidPartitionId)
        #expect(bench.execute(ControlWord(.deletePartition), id).0.status == .invalidPartitionId)
    }

    /// A call that starts at a later repetition does only the rest, and counts from the first.
    @Test func startIndex() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        let head = MapGPAPagesInput(partition: id, gpaPage: 100, flags: [.readable])
        var input = bytes(of: head)
        for page in bench.pages(0..<4) { input += withUnsafeBytes(of: page.littleEndian, Array.init) }
        let (result, _) = bench.execute(ControlWord(.mapGpaPages, repCount: 4, repStart: 3), input)
        #expect(result == ResultWord(.success, repsCompleted: 4))
        let memory = try #require(bench.engine.partition(id)).state.withLock { $0.memory }
        #expect(memory.extents.map(\.range) == [103..<104])
        #expect(memory[103]?.host == bench.firstPage + 3)

        let (refused, _) = bench.execute(
            ControlWord(.unmapGpaPages, repCount: 4, repStart: 1),
            bytes(of: UnmapGPAPagesInput(partition: id, gpaPage: .max, flags: [])))
        #expect(refused == ResultWord(.invalidParameter, repsCompleted: 1))
    }

    @Test func outputOfRepetitionsLiesAtTheirPlaces() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        try bench.client.createVP(CreateVPInput(partition: id, index: 0))
        try bench.client.setRegisters([RegisterAssociation(.rax, 0x1234)], of: 0, in: id)
        var input = bytes(of: VPRegistersInput(partition: id, index: 0))
        for name in [RegisterName.rbx, .rax] { input += withUnsafeBytes(of: name.rawValue.littleEndian, Array.init) }
        let (result, output) = bench.execute(
            ControlWord(.getVpRegisters, repCount: 2, repStart: 1), input, output: 32)
        #expect(result == ResultWord(.success, repsCompleted: 2))
        #expect(output[0..<16].allSatisfy { $0 == 0xEE }, "the repetition before the start is not written")
        #expect(Array(output[16..<20]) == [0x34, 0x12, 0, 0])
    }
}

/// A port that answers with what a test wants and remembers the calls.
final class ScriptedPort: HypercallPort {
    struct Call: Equatable {
        var control: ControlWord
        var inputCount: Int
        var input: [UInt8]
    }
    private let calls = Mutex<[Call]>([])
    private let answer: @Sendable (ControlWord) -> ResultWord

    init(_ answer: @escaping @Sendable (ControlWord) -> ResultWord) { self.answer = answer }

    var made: [Call] { calls.withLock { $0 } }

    func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        let call = Call(control: control, inputCount: input.count, input: Array(input))
        calls.withLock { $0.append(call) }
        return answer(control)
    }
}

/// The calls that the client makes.
@Suite struct ClientTests {
    private let id = PartitionID(rawValue: 5)

    @Test func fastCalls() throws {
        let port = ScriptedPort { _ in ResultWord(.success) }
        let client = HypercallClient(port)
        try client.initializePartition(id)
        try client.finalizePartition(id)
        try client.deletePartition(id)
        try client.deleteVP(3, of: id)
        #expect(port.made.map(\.control.isFast) == [true, true, true, true])
        #expect(port.made.map(\.inputCount) == [8, 8, 8, 16])
        #expect(port.made[3].input == [5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func batches() throws {
        let port = ScriptedPort { ResultWord(.success, repsCompleted: $0.repCount) }
        let client = HypercallClient(port)
        try client.mapGPAPages(id, gpaPage: 0x100, flags: [.readable, .largePage], count: 1019) { UInt64($0) * 512 }
        #expect(port.made.map(\.control.repCount) == [509, 509, 1])
        let last: MapGPAPagesInput = try decode(port.made[2].input)
        #expect(last.gpaPage == 0x100 + 1018 * 512)
        #expect(Array(port.made[2].input[24..<32]) == [0, 0xF4, 0x07, 0, 0, 0, 0, 0])
    }

    /// Success with fewer repetitions than asked for is no failure: the rest is asked for.
    @Test func continuesPartialCalls() throws {
        let port = ScriptedPort { control in
            ResultWord(.success, repsCompleted: min(control.repCount, control.repStart + 100))
        }
        try HypercallClient(port).unmapGPAPages(id, gpaPage: 0, flags: [], count: 250)
        #expect(port.made.map(\.control.repStart) == [0, 100, 200])
        #expect(port.made.allSatisfy { $0.control.repCount == 250 })
    }

    @Test func countsOverBatchesWhenItFails() throws {
        let port = ScriptedPort { control in
            control.repCount == 512
                ? ResultWord(.success, repsCompleted: 512) : ResultWord(.accessDenied, repsCompleted: 3)
        }
        do throws(HypercallFailure) {
            try HypercallClient(port).unmapGPAPages(id, gpaPage: 0, flags: [], count: 600)
            Issue.record("no failure")
        } catch {
            #expect(error == HypercallFailure(code: .unmapGpaPages, status: .accessDenied, repsCompleted: 515))
            #expect("\(error)" == "HvCallUnmapGpaPages failed with HV_STATUS_ACCESS_DENIED after 515 repetitions")
        }
    }

    @Test func doesNotWaitForeverForProgress() {
        let port = ScriptedPort { _ in ResultWord(.success, repsCompleted: 0) }
        #expect(status { try HypercallClient(port).unmapGPAPages(id, gpaPage: 0, flags: [], count: 4) } == .timeOut)
        let wild = ScriptedPort { _ in ResultWord(.success, repsCompleted: 4095) }
        #expect(status { try HypercallClient(wild).unmapGPAPages(id, gpaPage: 0, flags: [], count: 4) } == .success)
    }

    @Test func countingPort() throws {
        let port = CountingPort(
            ScriptedPort { $0.code == .finalizePartition ? ResultWord(.timeOut) : ResultWord(.success) })
        let client = HypercallClient(port)
        try client.initializePartition(id)
        try client.initializePartition(id)
        _ = try? client.finalizePartition(id)
        #expect(
            port.counts == [
                CountingPort.Outcome(code: .initializePartition, status: .success): 2,
                CountingPort.Outcome(code: .finalizePartition, status: .timeOut): 1,
            ])
    }
}
