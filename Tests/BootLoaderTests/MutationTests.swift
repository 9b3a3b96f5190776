import GuestMemory
import Testing

@testable import BootLoader

/// Damaged images end in an error or in a load, never in a trap: a trap would end the server.
@Suite struct MutationTests {
    private static func damage(_ bytes: [UInt8], header: Range<Int>, _ random: inout FixedRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            // Mostly in the header, where the bytes mean something.
            let range = Int.random(in: 0..<8, using: &random) == 0 ? 0..<bytes.count : header
            let at = Int.random(in: range, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes[at] = UInt8.random(in: 0...255, using: &random)
            default:
                for index in at..<min(at + 8, bytes.count) {
                    bytes[index] = [0, 0xFF].randomElement(using: &random) ?? 0
                }
            }
        }
        if Int.random(in: 0..<6, using: &random) == 0 {
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        }
        return bytes
    }

    func run(_ original: [UInt8], header: Range<Int>, formats: [BootSource.Format], seed: UInt64) throws {
        let workspace = try Workspace()
        let memory = try GuestMemory(size: 16 * mebibyte)
        let initrd = try workspace.file("rd", [UInt8](repeating: 3, count: 9000))
        var random = FixedRandom(state: seed)
        var loaded = 0
        var refused = 0
        for index in 0..<2500 {
            let path = try workspace.file("image", Self.damage(original, header: header, &random))
            let source = BootSource(
                kernel: path, initrd: index.isMultiple(of: 2) ? initrd : nil, commandLine: "quiet",
                format: formats[index % formats.count])
            do throws(BootError) {
                let image = try BootImage.inspect(source, memorySize: memory.size)
                _ = try image.load(into: memory, acpiRSDP: 0xE0000)
                loaded += 1
            } catch {
                #expect(["kernel", "initrd", "format", "commandLine"].contains(error.field), "\(error)")
                refused += 1
            }
        }
        // Both ends are reached, or the damage is not what it should be.
        #expect(loaded > 100 && refused > 100, "\(loaded) loaded, \(refused) refused")
    }

    @Test func bzImage() throws {
        try run(SyntheticBzImage().bytes, header: 0x1F0..<0x26C, formats: [.auto], seed: 1)
    }

    @Test func elf() throws {
        try run(SyntheticElf().bytes, header: 0..<232, formats: [.auto, .linux64, .pvh], seed: 2)
    }

    @Test func elfNotes() throws {
        let note = SyntheticElf.noteOffset
        try run(SyntheticElf().bytes, header: note..<(note + 0x30), formats: [.auto, .pvh], seed: 3)
    }
}
