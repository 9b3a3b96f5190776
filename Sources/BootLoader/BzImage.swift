import GuestMemory
import LinuxSystem

/// A Linux bzImage (Linux's Documentation/arch/x86/boot.rst), entered by the 64-bit boot protocol.
struct BzImage: Equatable {
    /// The setup header: from 0x1F1 to its own end.
    let setupHeader: [UInt8]
    let kernelOffset: UInt64
    let kernelSize: UInt64
    let loadAddress: UInt64
    /// Bytes from `loadAddress` that the kernel uses before it knows the memory map.
    let initSize: UInt64
    let initrdMaximum: UInt64
    let commandLineMaximum: Int

    /// The 64-bit entry is 0x200 behind the protected-mode part's start.
    var entry: UInt64 { loadAddress + 0x200 }

    init(_ file: borrowing ImageFile) throws(BootError) {
        let field = file.field
        let path = file.path
        func fail(_ reason: String) -> BootError { BootError(field, "\(path) \(reason)") }
        let head = try file.bytes("a bzImage's setup header", at: 0, 0x290)
        guard head.number(UInt16.self, 0x1FE) == 0xAA55 else {
            throw fail("has no boot signature 0xAA55 at 0x1FE: the header is corrupt")
        }
        let version = head.number(UInt16.self, 0x206)
        guard version >= 0x020C else {
            throw fail(
                "has boot protocol \(version >> 8).\(version & 0xFF); 2.12 or later is needed for a 64-bit entry")
        }
        guard head.number(UInt16.self, 0x236) & 1 != 0 else {
            throw fail("has no 64-bit entry point (xloadflags bit 0 is clear): is it a 32-bit kernel?")
        }
        guard head.bytes[0x211] & 1 != 0 else {
            throw fail("is a zImage (loadflags bit 0 is clear); a bzImage is needed")
        }
        let setupSectors = head.bytes[0x1F1] == 0 ? 4 : UInt64(head.bytes[0x1F1])
        kernelOffset = (setupSectors + 1) * 512
        kernelSize = UInt64(head.number(UInt32.self, 0x1F4)) * 16
        guard kernelSize > 0x200 else { throw fail("says that its kernel has \(kernelSize) bytes: the header is corrupt") }
        guard kernelOffset + kernelSize <= file.size else {
            throw fail(
                "is truncated: its header says \(kernelOffset + kernelSize) bytes, the file has \(file.size)")
        }
        let headerEnd = 0x202 + Int(head.bytes[0x201])
        guard (0x264...0x290).contains(headerEnd) else {
            throw fail("has a setup header that ends at 0x\(String(headerEnd, radix: 16)): the header is corrupt")
        }
        setupHeader = Array(head.bytes[0x1F1..<headerEnd])
        loadAddress = head.number(UInt64.self, 0x258)
        initSize = UInt64(head.number(UInt32.self, 0x260))
        guard loadAddress >= 0x10_0000, loadAddress < GuestMemory.gapStart, loadAddress % 4096 == 0 else {
            throw fail("wants to be loaded at 0x\(String(loadAddress, radix: 16)), which is not RAM above 1 MiB")
        }
        guard initSize >= kernelSize else {
            throw fail("needs \(initSize) bytes to start but has \(kernelSize): the header is corrupt")
        }
        initrdMaximum = UInt64(head.number(UInt32.self, 0x22C))
        commandLineMaximum = Int(min(head.number(UInt32.self, 0x238), 65_535))
    }

    /// Loads the kernel and gives the zero page with its setup header, the rest zero.
    func load(_ file: borrowing ImageFile, into memory: GuestMemory) throws(GuestMemoryError) -> [UInt8] {
        try memory.readFile(file.descriptor, offset: kernelOffset, count: Int(kernelSize), to: loadAddress)
        var zeroPage = [UInt8](repeating: 0, count: 4096)
        zeroPage.replaceSubrange(0x1F1..<(0x1F1 + setupHeader.count), with: setupHeader)
        return zeroPage
    }
}
