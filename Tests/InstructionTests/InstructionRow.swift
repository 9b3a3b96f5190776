import HypercallABI
import InstructionEmulator

/// A row of the table of encodings: one instruction as bytes, what it begins with, and everything it has to do.
///
/// A row is a line of six columns between bars, all numbers hexadecimal:
///
///     name | mode | bytes | before | accesses | after
///
/// - mode: `64`, `32`, `16` (protected) or `real`; the segments of each stand in `InstructionRow.state`.
/// - before and after: `rax=1` a register (after: registers that are not named are unchanged, RIP stands behind the
///   instruction), `x0=` an XMM register, `1000:0102` bytes of memory, `f=CZ` the flags that are set (of O S Z A P C,
///   and before also of D and T; after without `f=` they are unchanged), `u=A` the flags that the instruction leaves
///   undefined.
/// - after, too: `!14:2` ends with that exception and error code, `?` is not emulated.
/// - accesses, in their order, separated by semicolons: `r A0000 4 12345678` reads the device and gets that value,
///   `w` writes it, `i 3F8 1 41` and `o 3F8 1 41` are ports.
///
/// Devices are at `A0000` to `BFFFF`, everything else is memory, and linear addresses are physical ones.
struct InstructionRow: CustomStringConvertible {
    enum Malformed: Error { case row(String) }

    enum Mode: String {
        case long = "64"
        case protected32 = "32"
        case protected16 = "16"
        case real
    }

    enum Access: Equatable {
        case read(UInt64, UInt8, UInt64)
        case write(UInt64, UInt8, UInt64)
        case input(UInt64, UInt8, UInt64)
        case output(UInt64, UInt8, UInt64)
    }

    enum End: Equatable {
        case finished
        case fault(GuestFault)
        case unsupported
    }

    let name: String
    let mode: Mode
    let code: [UInt8]
    let before: Snapshot
    let accesses: [Access]
    let after: Snapshot
    let undefined: UInt64
    let end: End

    var description: String { name }

    init(_ line: String) throws {
        let columns = line.split(separator: "|", omittingEmptySubsequences: false).map { Self.words($0) }
        guard columns.count == 6, let mode = Mode(rawValue: columns[1].joined()) else { throw Malformed.row(line) }
        self.mode = mode
        name = columns[0].joined(separator: " ")
        code = try Self.bytes(columns[2].joined(), line)
        guard !code.isEmpty else { throw Malformed.row(line) }

        var undefined: UInt64 = 0
        var end = End.finished
        var before = Snapshot(state: Self.state(mode))
        for word in columns[3] { try before.set(word, line) }
        var after = before
        after.state.rip = before.state.rip &+ UInt64(code.count)
        for word in columns[5] {
            if word == "?" {
                end = .unsupported
            } else if word.hasPrefix("!") {
                let parts = word.dropFirst().split(separator: ":")
                guard let first = parts.first, let vector = UInt8(first) else { throw Malformed.row(line) }
                end = .fault(
                    GuestFault(
                        vector: vector, errorCode: parts.count > 1 ? try UInt32(Self.number(parts[1], line)) : nil))
            } else if word.hasPrefix("u=") {
                undefined = try Snapshot.flags(word.dropFirst(2), line)
            } else {
                try after.set(word, line)
            }
        }
        accesses = try columns[4].joined(separator: " ").split(separator: ";").map { try Self.access($0, line) }
        (self.before, self.after, self.undefined, self.end) = (before, after, undefined, end)
    }

    private static func access(_ text: Substring, _ line: String) throws -> Access {
        let words = words(text)
        guard words.count == 4 else { throw Malformed.row(line) }
        let (address, size, value) = (
            try number(words[1], line), try number(words[2], line), try number(words[3], line)
        )
        guard [1, 2, 4, 8].contains(size) else { throw Malformed.row(line) }
        switch words[0] {
        case "r": return .read(address, UInt8(size), value)
        case "w": return .write(address, UInt8(size), value)
        case "i": return .input(address, UInt8(size), value)
        case "o": return .output(address, UInt8(size), value)
        default: throw Malformed.row(line)
        }
    }

    static func words(_ text: some StringProtocol) -> [String] {
        text.split(separator: " ").map { String($0) }
    }

    static func number(_ text: some StringProtocol, _ line: String) throws -> UInt64 {
        guard let value = UInt64(text, radix: 16) else { throw Malformed.row("\(text) in \(line)") }
        return value
    }

    static func bytes(_ text: some StringProtocol, _ line: String) throws -> [UInt8] {
        let digits = Array(text)
        guard digits.count % 2 == 0 else { throw Malformed.row("\(text) in \(line)") }
        return try stride(from: 0, to: digits.count, by: 2).map { start in
            guard let byte = UInt8(String(digits[start...start + 1]), radix: 16) else {
                throw Malformed.row("\(text) in \(line)")
            }
            return byte
        }
    }

    /// The rows of a table: its lines, without empty ones.
    static func table(_ text: String) throws -> [InstructionRow] {
        try text.split(separator: "\n").filter { $0.contains("|") }.map { try InstructionRow(String($0)) }
    }

    // MARK: states

    /// The processor that a row begins with: every register `n` holds its number in each of its bytes, RSP is 8000 and
    /// RIP 7C00.
    static func state(_ mode: Mode) -> GuestState {
        let isLong = mode == .long
        var general = (0..<16).map { (number: UInt64) -> UInt64 in
            number &* (isLong ? 0x0101_0101_0101_0101 : 0x0101_0101)
        }
        general[4] = 0x8000
        let isSmall = mode == .protected16 || mode == .real
        func data(_ base: UInt64) -> SegmentRegister {
            SegmentRegister(
                base: base, limit: isSmall ? 0xFFFF : 0xFFFF_FFFF, selector: UInt16(truncatingIfNeeded: base >> 4),
                attributes: isSmall ? 0x0093 : 0xC093)
        }
        let code = SegmentRegister(
            base: 0, limit: isSmall ? 0xFFFF : 0xFFFF_FFFF, selector: 8,
            attributes: isLong ? 0xA09B : isSmall ? 0x009B : 0xC09B)
        // Long mode takes no base from DS, ES and SS: they have one there, to show that.
        return GuestState(
            general: general, rip: 0x7C00, rflags: 2, cs: code,
            ds: data(isSmall ? 0xA0000 : isLong ? 0x50_0000 : 0), es: data(isSmall ? 0xB0000 : isLong ? 0x60_0000 : 0),
            fs: data(isSmall ? 0x10000 : 0xA0000), gs: data(isSmall ? 0xA8000 : 0xB0000),
            ss: data(isSmall ? 0x20000 : isLong ? 0x70_0000 : 0), cr0: mode == .real ? 0x10 : 0x11, cr4: 0x200,
            efer: isLong ? 0x500 : 0,
            xmm: (0..<16).map { RegisterValue(low: $0 &* 0x1010_1010, high: $0 &* 0x0101_0101) })
    }
}

/// The processor and the memory that is not zero.
struct Snapshot: Equatable {
    var state: GuestState
    var memory: [UInt64: UInt8] = [:]

    init(state: GuestState) { self.state = state }

    private static let names = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    ]

    static let status: UInt64 = 0x8D5

    static func flags(_ letters: some StringProtocol, _ line: String) throws -> UInt64 {
        try letters.reduce(0) { flags, letter in
            switch letter {
            case "C": flags | 1
            case "P": flags | 1 << 2
            case "A": flags | 1 << 4
            case "Z": flags | 1 << 6
            case "S": flags | 1 << 7
            case "T": flags | 1 << 8
            case "D": flags | 1 << 10
            case "O": flags | 1 << 11
            default: throw InstructionRow.Malformed.row("flag \(letter) in \(line)")
            }
        }
    }

    /// Obeys one word of a column.
    mutating func set(_ word: String, _ line: String) throws {
        if let colon = word.firstIndex(of: ":") {
            let address = try InstructionRow.number(word[..<colon], line)
            let bytes = try InstructionRow.bytes(word[word.index(after: colon)...], line)
            for (offset, byte) in bytes.enumerated() { memory[address + UInt64(offset)] = byte }
            return
        }
        let parts = word.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw InstructionRow.Malformed.row("\(word) in \(line)") }
        let name = String(parts[0])
        if name == "f" {
            let kept = state.rflags & ~(Self.status)
            state.rflags = kept | (try Self.flags(parts[1], line))
        } else if name == "rip" {
            state.rip = try InstructionRow.number(parts[1], line)
        } else if let number = Self.names.firstIndex(of: name) {
            state.general[number] = try InstructionRow.number(parts[1], line)
        } else if name.hasPrefix("x"), let number = Int(name.dropFirst()), number < 16, parts[1].count == 32 {
            state.xmm[number] = RegisterValue(
                low: try InstructionRow.number(parts[1].suffix(16), line),
                high: try InstructionRow.number(parts[1].prefix(16), line))
        } else {
            throw InstructionRow.Malformed.row("\(word) in \(line)")
        }
    }
}

/// Memory of a test: linear addresses are physical ones, a device is at `devices`, some pages are not present.
struct TestMemory: GuestAddressSpace {
    var bytes: [UInt64: UInt8] = [:]
    var devices: Range<UInt64> = 0xA0000..<0xC0000
    /// Page numbers whose access faults.
    var missing: Set<UInt64> = []

    mutating func translate(_ linear: UInt64, for access: MemoryAccess) throws(GuestFault) -> UInt64 {
        guard !missing.contains(linear >> 12) else {
            let code: UInt32 =
                switch access {
                case .read: 0
                case .write: 2
                case .execute: 16
                }
            throw GuestFault(vector: 14, errorCode: code, address: linear)
        }
        return linear
    }

    mutating func read(_ gpa: UInt64, count: Int) -> [UInt8]? {
        if devices.contains(gpa) { return nil }
        return (0..<UInt64(count)).map { bytes[gpa &+ $0] ?? 0 }
    }

    mutating func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool {
        if devices.contains(gpa) { return false }
        for (offset, byte) in bytes.enumerated() { self.bytes[gpa &+ UInt64(offset)] = byte }
        return true
    }
}
