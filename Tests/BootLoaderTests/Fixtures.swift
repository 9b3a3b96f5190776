import Glibc
import LinuxSystem
import Testing

@testable import BootLoader

/// A temporary directory with the files of one test; removed with it.
final class Workspace: @unchecked Sendable {
    // Unchecked: one test uses one workspace from one thread.
    let path: String
    private var names: Set<String> = []

    init() throws {
        var template = Array("/tmp/hvroot-boot-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.last }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink(path + "/" + name) }
        rmdir(path)
    }

    /// The path of `name`, which is removed at the end.
    func place(_ name: String) -> String {
        names.insert(name)
        return path + "/" + name
    }

    @discardableResult
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = try FileDescriptor(opening: place(name), O_WRONLY | O_CREAT | O_TRUNC)
        try file.writeAll(bytes)
        return path + "/" + name
    }

    /// A file with `bytes` at its start and holes up to `size`.
    func sparse(_ name: String, _ bytes: [UInt8] = [1], size: Int) throws -> String {
        let path = try file(name, bytes)
        guard truncate(path, off_t(size)) == 0 else { throw Errno.last }
        return path
    }
}

let mebibyte: UInt64 = 1 << 20

/// A bzImage with the header of a Linux kernel and a body of counted bytes.
struct SyntheticBzImage {
    var setupSectors: UInt8 = 1
    var kernelCount = 4096
    var head = [UInt8](repeating: 0, count: 1024)

    init() {
        head.put(setupSectors, at: 0x1F1)
        head.put(UInt32(kernelCount / 16), at: 0x1F4)
        head.put(UInt16(0xFFFF), at: 0x1FA)
        head.put(UInt16(0xAA55), at: 0x1FE)
        head.put(UInt8(0xEB), at: 0x200)
        head.put(UInt8(0x6A), at: 0x201)
        head.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        head.put(UInt16(0x20F), at: 0x206)
        head.put(UInt16(0x100), at: 0x20E)
        head.put(UInt8(1), at: 0x211)
        head.put(UInt32(0x7FFF_FFFF), at: 0x22C)
        head.put(UInt32(0x20_0000), at: 0x230)
        head.put(UInt8(1), at: 0x234)
        head.put(UInt16(0x7F), at: 0x236)
        head.put(UInt32(2047), at: 0x238)
        head.put(UInt32(0x100), at: 0x248)
        head.put(UInt32(0x800), at: 0x24C)
        head.put(UInt64(0xDEAD_BEEF), at: 0x250)
        head.put(UInt64(0x20_0000), at: 0x258)
        head.put(UInt32(0x30_0000), at: 0x260)
        head.replaceSubrange(0x300..<0x306, with: Array("6.1-x ".utf8))
    }

    var kernel: [UInt8] { (0..<kernelCount).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) } }
    var bytes: [UInt8] { head + kernel }
}

/// An ELF kernel: text at 2 MiB, data with a bss above it, and the PVH note.
struct SyntheticElf {
    static let textOffset = 0x400
    static let dataOffset = 0x600
    static let noteOffset = 0x800
    static let virtualBase: UInt64 = 0xFFFF_FFFF_8000_0000
    /// Offsets of the program headers: text, data, note.
    static let text = 64
    static let data = 64 + 56
    static let note = 64 + 112

    var bytes = [UInt8](repeating: 0, count: 0x900)

    init(note: Bool = true) {
        bytes.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
        bytes.put(UInt16(2), at: 16)
        bytes.put(UInt16(62), at: 18)
        bytes.put(UInt32(1), at: 20)
        bytes.put(UInt64(0x20_0010), at: 24)
        bytes.put(UInt64(64), at: 32)
        bytes.put(UInt16(64), at: 52)
        bytes.put(UInt16(56), at: 54)
        bytes.put(UInt16(note ? 3 : 2), at: 56)
        header(Self.text, type: 1, flags: 5, Self.textOffset, physical: 0x20_0000, file: 0x200, memory: 0x200)
        header(Self.data, type: 1, flags: 6, Self.dataOffset, physical: 0x30_0000, file: 0x180, memory: 0x3000)
        header(Self.note, type: 4, flags: 4, Self.noteOffset, physical: 0, file: 0x30, memory: 0x30)
        for index in 0..<0x200 { bytes[Self.textOffset + index] = UInt8(truncatingIfNeeded: index &* 3 &+ 5) }
        for index in 0..<0x180 { bytes[Self.dataOffset + index] = 0xD0 }
        self.note(0, type: 6, [0x6C, 0x69, 0x6E, 0x75, 0x78, 0])
        self.note(24, type: 18, [0x40, 0x00, 0x20, 0x00])
    }

    private mutating func header(
        _ at: Int, type: UInt32, flags: UInt32, _ offset: Int, physical: UInt64, file: UInt64, memory: UInt64
    ) {
        bytes.put(type, at: at)
        bytes.put(flags, at: at + 4)
        bytes.put(UInt64(offset), at: at + 8)
        bytes.put(Self.virtualBase &+ physical, at: at + 16)
        bytes.put(physical, at: at + 24)
        bytes.put(file, at: at + 32)
        bytes.put(memory, at: at + 40)
        bytes.put(UInt64(4), at: at + 48)
    }

    mutating func note(_ at: Int, type: UInt32, _ value: [UInt8]) {
        bytes.put(UInt32(4), at: Self.noteOffset + at)
        bytes.put(UInt32(value.count), at: Self.noteOffset + at + 4)
        bytes.put(type, at: Self.noteOffset + at + 8)
        bytes.replaceSubrange((Self.noteOffset + at + 12)..<(Self.noteOffset + at + 16), with: Array("Xen\0".utf8))
        bytes.replaceSubrange(
            (Self.noteOffset + at + 16)..<(Self.noteOffset + at + 16 + value.count), with: value)
    }
}

/// Pseudo-random numbers that are the same in every run (splitmix64).
struct FixedRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
