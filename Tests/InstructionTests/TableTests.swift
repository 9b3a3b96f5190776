import InstructionEmulator
import Testing

/// Every row of the tables, against the emulator. What is expected was written from the manuals (Intel SDM volume 2,
/// "Instruction Set Reference"; AMD APM volume 3), not taken from it.
@Suite struct TableTests {
    static let tables = [
        moveTable, extensionTable, arithmeticTable, logicTable, bitTable, exchangeTable, multiplicationTable,
        stringTable, portTable, stackTable, vectorTable, conditionTable, modeTable,
    ]

    @Test func tableHasAllItsRows() throws {
        let rows = try Self.tables.flatMap { try InstructionRow.table($0) }
        #expect(rows.count >= 500)
        #expect(
            Set(rows.map { "\($0.mode) \($0.code) \($0.before) \($0.accesses)" }).count == rows.count,
            "a row stands twice")
    }

    @Test(arguments: tables) func rows(_ table: String) throws {
        for row in try InstructionRow.table(table) { check(row) }
    }

    /// The same with no bytes at hand: the emulator has to fetch the code.
    @Test(arguments: tables) func rowsWithFetchedCode(_ table: String) throws {
        for row in try InstructionRow.table(table) { check(row, fetched: true) }
    }

    private func check(_ row: InstructionRow, fetched: Bool = false) {
        var memory = TestMemory(bytes: row.before.memory)
        if fetched { for (offset, byte) in row.code.enumerated() { memory.bytes[0x7C00 + UInt64(offset)] = byte } }
        var emulation = InstructionEmulation(code: fetched ? [] : row.code, state: row.before.state)
        var made: [InstructionRow.Access] = []
        var answer: UInt64?
        for _ in 0..<1000 {
            let step = emulation.next(&memory, answer: answer)
            answer = nil
            /// What the table gives to read: where it has something else there, the comparison below says so.
            let given: UInt64 =
                switch row.accesses.indices.contains(made.count) ? row.accesses[made.count] : nil {
                case .read(_, _, let value), .input(_, _, let value): value
                default: 0
                }
            switch step {
            case .read(let gpa, let size):
                made.append(.read(gpa, size, given))
                // What is above the access's size must not be looked at.
                answer = given | .max << UInt64(size * 8)
            case .write(let gpa, let size, let value): made.append(.write(gpa, size, value))
            case .readPort(let port, let size):
                made.append(.input(UInt64(port), size, given))
                answer = given | .max << UInt64(size * 8)
            case .writePort(let port, let size, let value): made.append(.output(UInt64(port), size, UInt64(value)))
            case .finished(let state):
                #expect(made == row.accesses, "\(row)")
                #expect(row.end == .finished, "\(row)")
                compare(row, state)
                compareMemory(row, memory, fetched: fetched)
                return
            case .fault(let fault):
                #expect(made == row.accesses, "\(row)")
                #expect(row.end == .fault(fault), "\(row)")
                compareMemory(row, memory, fetched: fetched)
                return
            case .unsupported(let what):
                #expect(row.end == .unsupported, "\(row): \(what)")
                #expect(made.isEmpty, "\(row)")
                return
            }
        }
        Issue.record("\(row) does not end")
    }

    private func compare(_ row: InstructionRow, _ state: GuestState) {
        var (state, expected) = (state, row.after.state)
        state.rflags &= ~row.undefined
        expected.rflags &= ~row.undefined
        #expect(
            state == expected,
            """
            \(row): general \(hexadecimal(state.general)), rip \(hexadecimal([state.rip])), \
            rflags \(hexadecimal([state.rflags])); \
            expected \(hexadecimal(expected.general)), rip \(hexadecimal([expected.rip])), \
            rflags \(hexadecimal([expected.rflags]))
            """)
    }

    private func compareMemory(_ row: InstructionRow, _ memory: TestMemory, fetched: Bool) {
        var bytes = memory.bytes
        if fetched { for offset in row.code.indices { bytes[0x7C00 + UInt64(offset)] = nil } }
        #expect(bytes.filter { $0.value != 0 } == row.after.memory.filter { $0.value != 0 }, "\(row)")
    }

    private func hexadecimal(_ values: [UInt64]) -> String {
        values.map { String($0, radix: 16, uppercase: true) }.joined(separator: " ")
    }
}
