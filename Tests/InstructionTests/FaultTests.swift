import HypercallABI
import InstructionEmulator
import Testing

/// What ends instructions before they do anything, or half way: Intel SDM volume 3, "Interrupt and Exception Handling",
/// and volume 1, "Protected Mode Exceptions" of each instruction.
@Suite struct FaultTests {
    private struct Run {
        var end: EmulationStep
        var accesses: [EmulationStep]
        var memory: TestMemory
        var owesDebugException: Bool
    }

    /// Runs an instruction to its end; devices read as `answer`.
    private func run(
        _ code: [UInt8], _ mode: InstructionRow.Mode = .long, memory: TestMemory = TestMemory(), answer: UInt64 = 0x41,
        _ change: (inout GuestState) -> Void
    ) -> Run {
        var state = InstructionRow.state(mode)
        change(&state)
        var memory = memory
        var emulation = InstructionEmulation(code: code, state: state)
        var accesses: [EmulationStep] = []
        for _ in 0..<10_000 {
            let step = emulation.next(&memory, answer: accesses.isEmpty ? nil : answer)
            switch step {
            case .finished, .fault, .unsupported:
                // An ended emulation only repeats itself.
                #expect(emulation.next(&memory, answer: 1) == step)
                return Run(
                    end: step, accesses: accesses, memory: memory, owesDebugException: emulation.owesDebugException)
            default: accesses.append(step)
            }
        }
        return Run(end: .unsupported("does not end"), accesses: accesses, memory: memory, owesDebugException: false)
    }

    private func fault(_ vector: UInt8, _ code: UInt32?, _ address: UInt64? = nil) -> EmulationStep {
        .fault(GuestFault(vector: vector, errorCode: code, address: address))
    }

    private func finished(_ run: Run) throws -> GuestState {
        guard case .finished(let state) = run.end else {
            Issue.record("\(run.end)")
            return InstructionRow.state(.long)
        }
        return state
    }

    // MARK: pages

    @Test func missingPageOfALoadOrStoreFaultsWithItsAddress() {
        let memory = TestMemory(missing: [0x1])
        #expect(run([0x8B, 0x0F], memory: memory) { $0.general[7] = 0x1234 }.end == fault(14, 0, 0x1234))
        #expect(run([0x89, 0x0F], memory: memory) { $0.general[7] = 0x1234 }.end == fault(14, 2, 0x1234))
        // A read-modify-write asks to write from the start.
        #expect(run([0x01, 0x0F], memory: memory) { $0.general[7] = 0x1234 }.end == fault(14, 2, 0x1234))
    }

    @Test func secondPageOfAnOperandFaultsBeforeAnythingIsWritten() {
        let memory = TestMemory(missing: [0x2])
        let store = run([0x48, 0x89, 0x0F], memory: memory) { $0.general[7] = 0x1FFD }
        #expect(store.end == fault(14, 2, 0x2000))
        #expect(store.memory.bytes.isEmpty)
        let device = run([0x48, 0x89, 0x0F], memory: TestMemory(missing: [0xA1])) { $0.general[7] = 0xA0FFD }
        #expect(device.end == fault(14, 2, 0xA1000))
        #expect(device.accesses.isEmpty)
    }

    @Test func faultOfTheDestinationComesBeforeTheDeviceIsRead() {
        let memory = TestMemory(missing: [0x1])
        let moves = run([0xA4], memory: memory) { ($0.general[6], $0.general[7]) = (0xA0000, 0x1000) }
        #expect(moves.end == fault(14, 2, 0x1000))
        #expect(moves.accesses.isEmpty)
        let pushes = run([0xFF, 0x37], memory: memory) { ($0.general[7], $0.general[4]) = (0xA0000, 0x1008) }
        #expect(pushes.end == fault(14, 2, 0x1000))
        #expect(pushes.accesses.isEmpty)
        let input = run([0x6C], memory: memory) { $0.general[7] = 0x1000 }
        #expect(input.end == fault(14, 2, 0x1000))
        #expect(input.accesses.isEmpty)
    }

    @Test func pageFaultWithinARepetitionKeepsWhatIsDoneAndComesWithTheNextTry() throws {
        let memory = TestMemory(missing: [0x2])
        let first = run([0xF3, 0x66, 0xAB], memory: memory) {
            ($0.general[0], $0.general[1], $0.general[7]) = (0x4241, 5, 0x1FFC)
        }
        let partial = try finished(first)
        #expect(partial.rip == 0x7C00)
        #expect(partial.general[1] == 3)
        #expect(partial.general[7] == 0x2000)
        #expect(first.memory.bytes == [0x1FFC: 0x41, 0x1FFD: 0x42, 0x1FFE: 0x41, 0x1FFF: 0x42])

        #expect(run([0xF3, 0x66, 0xAB], memory: first.memory) { $0 = partial }.end == fault(14, 2, 0x2000))

        var present = first.memory
        present.missing = []
        let last = run([0xF3, 0x66, 0xAB], memory: present) { $0 = partial }
        let end = try finished(last)
        #expect(end.rip == 0x7C03)
        #expect(end.general[1] == 0)
        #expect(end.general[7] == 0x2006)
        #expect(last.memory.bytes.count == 10)
    }

    @Test func elementOverAPageBorderIsDoneWholeOrNotAtAll() throws {
        let memory = TestMemory(missing: [0x2])
        let stopped = run([0xF3, 0xAB], memory: memory) {
            ($0.general[0], $0.general[1], $0.general[7]) = (0x44434241, 3, 0x1FFA)
        }
        let state = try finished(stopped)
        #expect(state.general[1] == 2)
        #expect(state.general[7] == 0x1FFE)
        #expect(stopped.memory.bytes.count == 4)
    }

    @Test func longRepetitionStopsForInterruptsAndGoesOn() throws {
        let limit = UInt64(InstructionEmulation.maximumElements)
        let stopped = run([0xF3, 0xAA]) { ($0.general[1], $0.general[7]) = (limit + 10, 0xA0000) }
        let state = try finished(stopped)
        #expect(stopped.accesses.count == Int(limit))
        #expect(state.rip == 0x7C00)
        #expect(state.general[1] == 10)
        #expect(!stopped.owesDebugException)
        let rest = run([0xF3, 0xAA]) { $0 = state }
        #expect(try finished(rest).rip == 0x7C02)
        #expect(rest.accesses.count == 10)
    }

    @Test func singleStepStopsAfterEachElement() throws {
        let stepped = run([0xF3, 0xAA]) { ($0.general[1], $0.general[7], $0.rflags) = (3, 0xA0000, 0x102) }
        #expect(try finished(stepped).general[1] == 2)
        #expect(stepped.owesDebugException)
        let move = run([0x89, 0x0F]) { ($0.general[7], $0.rflags) = (0xA0000, 0x102) }
        #expect(move.owesDebugException)
        #expect(!run([0x89, 0x0F]) { $0.general[7] = 0xA0000 }.owesDebugException)
    }

    // MARK: addresses

    @Test func addressesThatAreNotCanonicalFault() {
        let hole: UInt64 = 0x8000_0000_0000
        #expect(run([0x89, 0x0F]) { $0.general[7] = hole }.end == fault(13, 0))
        #expect(run([0x89, 0x0F]) { $0.general[7] = 0xFFFF_7FFF_FFFF_FFFF }.end == fault(13, 0))
        // The last byte counts, too.
        #expect(run([0x89, 0x0F]) { $0.general[7] = hole - 2 }.end == fault(13, 0))
        // By RSP and RBP it is a fault of the stack.
        #expect(run([0x89, 0x4D, 0x00]) { $0.general[5] = hole }.end == fault(12, 0))
        #expect(run([0x89, 0x0C, 0x24]) { $0.general[4] = hole }.end == fault(12, 0))
        #expect(run([0x51]) { $0.general[4] = hole + 8 }.end == fault(12, 0))
        // A base can make one, too.
        #expect(run([0x64, 0x89, 0x0F]) { ($0.general[7], $0.fs.base) = (0x10, hole - 0x10) }.end == fault(13, 0))
    }

    @Test func fiveLevelsOfTablesHaveMoreCanonicalAddresses() throws {
        let run = run([0x89, 0x0F]) { ($0.general[7], $0.cr4) = (0x8000_0000_0000, 1 << 12) }
        _ = try finished(run)
        #expect(run.memory.bytes[0x8000_0000_0000] == 1)
        let beyond = self.run([0x89, 0x0F]) { ($0.general[7], $0.cr4) = (0x0100_0000_0000_0000, 1 << 12) }
        #expect(beyond.end == fault(13, 0))
    }

    @Test func segmentLimitsAndRightsFault() {
        let store: [UInt8] = [0x89, 0x0F]
        let load: [UInt8] = [0x8B, 0x0F]
        func at(_ offset: UInt64, _ code: [UInt8], _ change: @escaping (inout SegmentRegister) -> Void)
            -> EmulationStep
        {
            run(code, .protected32) { state in
                state.general[7] = offset
                change(&state.ds)
            }.end
        }
        func succeeds(_ step: EmulationStep) -> Bool { if case .finished = step { true } else { false } }

        #expect(succeeds(at(0xFFC, store) { $0.limit = 0xFFF }))
        #expect(at(0xFFD, store) { $0.limit = 0xFFF } == fault(13, 0))
        #expect(at(0xFFFF_FFFE, store) { _ in } == fault(13, 0))
        #expect(at(0x1000, store) { $0.attributes = 0xC091 } == fault(13, 0), "read-only data")
        #expect(succeeds(at(0x1000, load) { $0.attributes = 0xC091 }))
        #expect(at(0x1000, load) { $0.attributes = 0xC099 } == fault(13, 0), "code that can't be read")
        #expect(at(0x1000, load) { $0.attributes = 0x4013 } == fault(13, 0), "not present")
        // A segment that grows down holds what is above its limit.
        #expect(at(0xFFF, load) { ($0.limit, $0.attributes) = (0xFFF, 0xC097) } == fault(13, 0))
        #expect(succeeds(at(0x1000, load) { ($0.limit, $0.attributes) = (0xFFF, 0xC097) }))
        #expect(at(0xFFFE, load) { ($0.limit, $0.attributes) = (0xFFF, 0x8097) } == fault(13, 0), "of 16 bits")

        let stack = run([0x51], .protected32) { ($0.general[4], $0.ss.limit) = (0x2000, 0xFFF) }
        #expect(stack.end == fault(12, 0))
        let jump = run([0xFF, 0x27], .protected32, answer: 0x10000) {
            ($0.general[7], $0.cs.limit) = (0xA0000, 0xFFFF)
        }
        #expect(jump.end == fault(13, 0))
        #expect(jump.accesses.count == 1)
    }

    @Test func vectorMovesFaultWhereTheSystemHasThemOff() {
        let movups: [UInt8] = [0x0F, 0x11, 0x0F]
        #expect(run(movups) { ($0.general[7], $0.cr0) = (0xA0000, 0x11 | 1 << 2) }.end == fault(6, nil))
        #expect(run(movups) { ($0.general[7], $0.cr4) = (0xA0000, 0) }.end == fault(6, nil))
        #expect(run(movups) { ($0.general[7], $0.cr0) = (0xA0000, 0x11 | 1 << 3) }.end == fault(7, nil))
    }

    // MARK: code

    @Test func missingBytesAreFetchedOverThePageBorder() throws {
        var memory = TestMemory()
        memory.bytes[0x8000] = 0x0F
        let crossing = run([0x89], memory: memory) { ($0.rip, $0.general[7]) = (0x7FFF, 0xA0000) }
        #expect(try finished(crossing).rip == 0x8001)
        #expect(crossing.accesses == [.write(gpa: 0xA0000, size: 4, value: 0x0101_0101)])

        memory.missing = [0x8]
        let missing = run([0x89], memory: memory) { ($0.rip, $0.general[7]) = (0x7FFF, 0xA0000) }
        #expect(missing.end == fault(14, 16, 0x8000))
        // An instruction that ends with its page needs nothing of the next.
        let whole = run([0x89, 0x0F], memory: memory) { ($0.rip, $0.general[7]) = (0x7FFE, 0xA0000) }
        #expect(try finished(whole).rip == 0x8000)
    }

    @Test func codeBaseCountsOutsideLongMode() throws {
        let memory = TestMemory(bytes: [0x17C00: 0x89, 0x17C01: 0x0D])
        let fetched = run([], .real, memory: memory) { ($0.cs.base, $0.general[7]) = (0x10000, 0x10) }
        #expect(try finished(fetched).rip == 0x7C02)
        #expect(fetched.accesses.count == 1)
    }

    @Test func tooManyPrefixesFault() {
        let long = Array(repeating: UInt8(0x3E), count: 14) + [0x89, 0x0F]
        #expect(run(long) { $0.general[7] = 0xA0000 }.end == fault(13, 0))
        let fits = Array(repeating: UInt8(0x3E), count: 13) + [0x89, 0x0F]
        #expect(run(fits) { $0.general[7] = 0xA0000 }.accesses.count == 1)
    }

    @Test(
        arguments: [
            [0x0F, 0x0B], [0x0F, 0x22, 0xC0], [0x0F, 0x01, 0x17], [0xC5, 0xFC, 0x11, 0x07], [0xD9, 0x07],
            [0x0F, 0x04], [0x9A, 0, 0, 0, 0, 0, 0], [0xC8, 0, 0, 0], [0x0F, 0xA5, 0x0F], [0xD7], [0xCF],
        ] as [[UInt8]])
    func whatIsNotEmulatedSaysItsBytes(_ code: [UInt8]) {
        let run = run(code) { $0.general[7] = 0xA0000 }
        guard case .unsupported(let text) = run.end else {
            Issue.record("\(run.end)")
            return
        }
        let digits = code.prefix(2).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        #expect(text.contains(digits), "\(text)")
        #expect(run.accesses.isEmpty)
    }

    @Test func codeInADeviceIsNotEmulated() {
        let run = run([]) { $0.rip = 0xA0000 }
        guard case .unsupported = run.end else {
            Issue.record("code was read from a device")
            return
        }
    }

    @Test func readWithoutAnAnswerIsAskedAgain() {
        var memory = TestMemory()
        var state = InstructionRow.state(.long)
        state.general[7] = 0xA0000
        var emulation = InstructionEmulation(code: [0x8B, 0x0F], state: state)
        let asked = EmulationStep.read(gpa: 0xA0000, size: 4)
        #expect(emulation.next(&memory, answer: nil) == asked)
        #expect(emulation.next(&memory, answer: nil) == asked)
        guard case .finished(let end) = emulation.next(&memory, answer: 7) else {
            Issue.record("does not end")
            return
        }
        #expect(end.general[1] == 7)
    }
}
