import HypercallABI
import InstructionEmulator
import Testing

/// Finding the instruction of a store from behind.
@Suite struct StoreFinderTests {
    private func find(
        _ code: [UInt8], store: (gpa: UInt64, size: UInt8, value: UInt64), mode: InstructionRow.Mode = .long,
        memory: TestMemory = TestMemory(), _ change: (inout GuestState) -> Void
    ) -> StoreFinder.Instruction? {
        var state = InstructionRow.state(mode)
        change(&state)
        var memory = memory
        return StoreFinder.instructionBefore(
            code: code, state: state,
            store: StoreFinder.Store(gpa: store.gpa, size: store.size, value: store.value), memory: &memory)
    }

    @Test func storesOfEachSizeAreFoundBehindOtherCode() throws {
        let before: [UInt8] = [0x90, 0x90, 0x31, 0xC0, 0x48, 0xFF, 0xC3, 0x90]
        let stores: [(code: [UInt8], size: UInt8, value: UInt64)] = [
            ([0x88, 0x0F], 1, 1), ([0x66, 0x89, 0x0F], 2, 0x101), ([0x89, 0x0F], 4, 0x0101_0101),
            ([0x48, 0x89, 0x0F], 8, 0x0101_0101_0101_0101), ([0xC7, 0x07, 0x78, 0x56, 0x34, 0x12], 4, 0x1234_5678),
            ([0x0F, 0xC3, 0x0F], 4, 0x0101_0101), ([0x66, 0x0F, 0xD6, 0x0F], 8, 0x1010_1010),
        ]
        for store in stores {
            let found = try #require(
                find(before + store.code, store: (0xA0010, store.size, store.value)) { $0.general[7] = 0xA0010 },
                "\(store.code)")
            #expect(found.length == store.code.count, "\(store.code)")
            #expect(found.before.rip == 0x7C00 - UInt64(store.code.count))
            #expect(found.before.general[7] == 0xA0010)
        }
    }

    @Test func addressRelativeToTheInstructionPointerIsThatOfItsEnd() throws {
        let code: [UInt8] = [0x89, 0x0D, 0x10, 0x84, 0x09, 0x00]
        let found = try #require(find(code, store: (0xA0010, 4, 0x0101_0101)) { _ in })
        #expect(found.length == 6)
    }

    @Test func wrongAddressSizeOrValueIsNoFit() {
        let code: [UInt8] = [0x89, 0x0F]
        let put: (inout GuestState) -> Void = { $0.general[7] = 0xA0010 }
        #expect(find(code, store: (0xA0010, 4, 0x0101_0101), put) != nil)
        #expect(find(code, store: (0xA0014, 4, 0x0101_0101), put) == nil)
        #expect(find(code, store: (0xA0010, 2, 0x0101), put) == nil)
        #expect(find(code, store: (0xA0010, 4, 5), put) == nil)
        #expect(find([], store: (0xA0010, 4, 0x0101_0101), put) == nil)
        #expect(find([0x0F], store: (0xA0010, 4, 0x0101_0101), put) == nil)
    }

    @Test func storeToMemoryIsNotTheOneToADevice() {
        #expect(find([0x89, 0x0F], store: (0x1000, 4, 0x0101_0101)) { $0.general[7] = 0x1000 } == nil)
    }

    @Test func stringsStandBehindTheirElement() throws {
        let forward = try #require(
            find([0xAB], store: (0xA0010, 4, 7)) { ($0.general[0], $0.general[7]) = (7, 0xA0014) })
        #expect(forward.before.general[7] == 0xA0010)
        let backward = try #require(
            find([0xAA], store: (0xA0010, 1, 7)) {
                ($0.general[0], $0.general[7], $0.rflags) = (7, 0xA000F, 0x402)
            })
        #expect(backward.before.general[7] == 0xA0010)
        let moved = try #require(
            find([0xA4], store: (0xA0010, 1, 0x55), memory: TestMemory(bytes: [0x1000: 0x55])) {
                ($0.general[6], $0.general[7]) = (0x1001, 0xA0011)
            })
        #expect(moved.before.general[6] == 0x1000)
        #expect(moved.before.general[7] == 0xA0010)
    }

    @Test func lastElementOfARepetitionHasItsPrefix() throws {
        let found = try #require(
            find([0x90, 0xF3, 0xAA], store: (0xA0010, 1, 7)) {
                ($0.general[0], $0.general[1], $0.general[7]) = (7, 0, 0xA0011)
            })
        #expect(found.length == 2)
        #expect(found.before.general[1] == 1)
        #expect(found.before.rip == 0x7BFE)
        // With a count left the repetition would not have ended: it is the instruction without.
        let plain = try #require(
            find([0x90, 0xF3, 0xAA], store: (0xA0010, 1, 7)) {
                ($0.general[0], $0.general[1], $0.general[7]) = (7, 5, 0xA0011)
            })
        #expect(plain.length == 1)
    }

    @Test func pushAndPopMoveTheStackPointerBack() throws {
        let pushed = try #require(
            find([0x51], store: (0xA0008, 8, 5)) { ($0.general[4], $0.general[1]) = (0xA0008, 5) })
        #expect(pushed.before.general[4] == 0xA0010)
        let popped = try #require(
            find([0x8F, 0x07], store: (0xA0010, 8, 0x55), memory: TestMemory(bytes: [0x8000: 0x55])) {
                ($0.general[4], $0.general[7]) = (0x8008, 0xA0010)
            })
        #expect(popped.before.general[4] == 0x8000)
    }

    @Test func readModifyWriteFitsWithAnyValueButOnlyWhenNothingElseDoes() throws {
        let found = try #require(find([0x01, 0x0F], store: (0xA0010, 4, 0x1234)) { $0.general[7] = 0xA0010 })
        #expect(found.length == 2)
        // 66 89 0F stores two bytes exactly; no add of that size stands there.
        let exact = try #require(
            find([0x01, 0x66, 0x89, 0x0F], store: (0xA0010, 2, 0x101)) { $0.general[7] = 0xA0010 })
        #expect(exact.length == 3)
    }

    @Test func otherModesHaveTheirAddresses() throws {
        let found = try #require(
            find([0x89, 0x0D], store: (0xA0010, 2, 0x101), mode: .real) { $0.general[7] = 0x10 })
        #expect(found.length == 2)
        #expect(found.before.rip == 0x7BFE)
        let wrapped = try #require(
            find([0xAA], store: (0xBFFFF, 1, 7), mode: .protected16) {
                ($0.general[0], $0.general[7]) = (7, 0x1234_0000)
            })
        #expect(wrapped.before.general[7] == 0x1234_FFFF)
    }

    @Test func nothingIsWritten() {
        var memory = TestMemory(bytes: [0x8000: 1])
        var state = InstructionRow.state(.long)
        state.general[7] = 0xA0010
        _ = StoreFinder.instructionBefore(
            code: [0x8F, 0x07], state: state, store: .init(gpa: 0xA0010, size: 8, value: 1), memory: &memory)
        #expect(memory.bytes == [0x8000: 1])
    }
}
