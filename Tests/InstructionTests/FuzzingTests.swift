import Glibc
import InstructionFuzzing
import Testing

/// Random bytes, and those that a fuzzer once found worth keeping, through the fuzzer's entry: nothing may trap, and
/// every emulation ends.
@Suite struct FuzzingTests {
    @Test func randomInputsEnd() {
        let seed = UInt64.random(in: 0...UInt64.max)
        #expect(run(seed: seed, inputs: 50_000) == nil, "seed \(seed)")
    }

    @Test func randomInputsOfAFixedSeedEnd() { #expect(run(seed: 2, inputs: 50_000) == nil) }

    /// Files of Tests/InstructionTests/Corpus; scripts/fuzz puts them there.
    @Test func corpusEnds() {
        for path in Self.corpus {
            let bytes = Self.contents(path)
            #expect(bytes != nil, "\(path) can't be read")
            #expect((bytes ?? []).withUnsafeBytes { InstructionFuzzing.run($0) }, "\(path)")
        }
    }

    /// - Returns: the first input that does not end.
    private func run(seed: UInt64, inputs: Int) -> [UInt8]? {
        var numbers = SeededNumbers(seed: seed)
        let opcodes = NativeInstructions.all.filter { !$0.opcode.isEmpty }
        for _ in 0..<inputs {
            var bytes = (0..<Int(numbers.next() % 160)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            // Random bytes are seldom an emulated instruction: most inputs begin with one (the first byte is the mode).
            if numbers.next() & 3 != 0 {
                let kind = opcodes[Int(numbers.next() % UInt64(opcodes.count))]
                bytes.insert(contentsOf: kind.encode(&numbers).bytes, at: min(1, bytes.count))
            }
            if !bytes.withUnsafeBytes({ InstructionFuzzing.run($0) }) { return bytes }
        }
        return nil
    }

    private static var corpus: [String] {
        let directory = #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Corpus"
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var paths: [String] = []
        while let entry = readdir(stream) {
            // Sound: the entry lives until the next readdir, and its name ends with a zero within the field.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { paths.append("\(directory)/\(name)") }
        }
        return paths.sorted()
    }

    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return Array(bytes.prefix(fread(&bytes, 1, bytes.count, file)))
    }
}
