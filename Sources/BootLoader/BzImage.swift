import GuestMemory

/// A Linux bzImage, for the 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst).
enum BzImage {
    /// The length of the file's part that this parser reads: the longest setup header ends before it.
    static let headCount = 0x281
    /// Where the setup header begins, in the file and in boot_params.
    static let headerStart = 0x1F1

    private static let minimumVersion: UInt16 = 0x20C
    private static let sectorCount: UInt64 = 512
    /// The 64-bit entry point's distance from the load address.
    private static let entryOffset: UInt64 = 0x200

    /// - Parameter head: the file's first bytes, which have the magic "HdrS".
    static func plan(_ file: ImageFile, head: [UInt8], memorySize: UInt64) throws(BootError) -> KernelPlan {
        func fault(_ reason: String) -> BootError { BootError("kernel", "\(file.path): " + reason) }
        guard head.count >= headCount else {
            throw fault("truncated bzImage: \(file.size) bytes, its setup header alone takes \(headCount)")
        }
        let bootFlag = head.little(0x1FE, UInt16.self)
        guard bootFlag == 0xAA55 else {
            throw fault("corrupt bzImage: the boot flag at 0x1fe is \(hex(UInt64(bootFlag))), not 0xaa55")
        }
        let version = head.little(0x206, UInt16.self)
        guard version >= minimumVersion else {
            throw fault(
                "boot protocol \(version >> 8).\(version & 0xFF) has no 64-bit entry; 2.12 (Linux 3.8) or later is needed"
            )
        }
        let header = try setupHeader(head, fault)
        let loadFlags = head.little(0x211, UInt8.self)
        guard loadFlags & 1 != 0 else {
            throw fault("a zImage (loadflags \(hex(UInt64(loadFlags)))) is loaded low; a bzImage is needed")
        }
        guard head.little(0x236, UInt16.self) & 1 != 0 else {
            throw fault("a 32-bit kernel (xloadflags has no XLF_KERNEL_64); an x86-64 kernel is needed")
        }

        // The part that runs in protected mode follows the setup sectors; signatures may follow it.
        let declared = UInt64(head.little(0x1F1, UInt8.self))
        let setupCount = ((declared == 0 ? 4 : declared) + 1) * sectorCount
        let kernelCount = UInt64(head.little(0x1F4, UInt32.self)) * 16
        guard kernelCount > entryOffset else {
            throw fault(
                "corrupt bzImage: syssize gives \(kernelCount) bytes of kernel, no more than its entry's offset")
        }
        guard setupCount + kernelCount <= file.size else {
            throw fault(
                "truncated bzImage: its header promises \(setupCount + kernelCount) bytes, the file has \(file.size)")
        }
        let payload = UInt64(head.little(0x248, UInt32.self)) + UInt64(head.little(0x24C, UInt32.self))
        guard payload <= kernelCount else {
            throw fault("corrupt bzImage: its payload ends at \(payload), beyond the kernel's \(kernelCount) bytes")
        }

        let load = try loadAddress(head, fault)
        let initSize = UInt64(head.little(0x260, UInt32.self))
        guard initSize > 0 else { throw fault("corrupt bzImage: init_size is 0") }
        let end = load + max(initSize, kernelCount)
        try KernelPlan.checkFits(
            end: end, memorySize: memorySize,
            detail: "a bzImage at \(hex(load)) that takes \(max(initSize, kernelCount)) bytes to unpack itself")

        let commandLineLimit = UInt64(head.little(0x238, UInt32.self))
        return KernelPlan(
            bootProtocol: .linux64, entry: load + entryOffset,
            segments: [.init(offset: setupCount, fileCount: kernelCount, gpa: load, memoryCount: kernelCount)],
            end: end,
            commandLineLimit: Int(min(commandLineLimit, UInt64(BootLayout.commandLine.count - 1))),
            initrdLimit: UInt64(head.little(0x22C, UInt32.self)),
            setupHeader: header,
            summary: "Linux bzImage\(try release(file, head, setupCount)), boot protocol "
                + "\(version >> 8).\(version & 0xFF)")
    }

    /// The setup header as it goes to boot_params: up to where the jump at 0x200 goes over it.
    private static func setupHeader(_ head: [UInt8], _ fault: (String) -> BootError) throws(BootError) -> [UInt8] {
        let jump = head.little(0x200, UInt8.self)
        let distance = Int(head.little(0x201, UInt8.self))
        let end = 0x202 + distance
        // init_size, which protocol 2.12 always has, ends at 0x264; a short jump goes no further than 127 bytes.
        guard jump == 0xEB, distance <= 127, end >= 0x264 else {
            throw fault(
                "corrupt bzImage: the jump over the setup header is \(hex(UInt64(jump))) \(hex(UInt64(distance))), "
                    + "not 0xeb and 0x62 to 0x7f")
        }
        return Array(head[headerStart..<end])
    }

    /// Where the protected-mode part goes: where the kernel prefers to run. To load a relocatable kernel lower would
    /// save nothing, it moves itself up to there (boot.rst, "init_size": runtime_start).
    private static func loadAddress(_ head: [UInt8], _ fault: (String) -> BootError) throws(BootError) -> UInt64 {
        let preferred = head.little(0x258, UInt64.self)
        guard preferred <= UInt64(UInt32.max) else {
            throw fault("corrupt bzImage: pref_address \(hex(preferred)) is beyond 4 GiB")
        }
        guard head.little(0x234, UInt8.self) != 0 else {
            guard preferred >= BootLayout.kernelStart else {
                throw fault("corrupt bzImage: pref_address \(hex(preferred)) is below 1 MiB")
            }
            return preferred
        }
        let alignment = UInt64(head.little(0x230, UInt32.self))
        guard alignment >= 4096, alignment.nonzeroBitCount == 1, alignment <= 1 << 30 else {
            throw fault("corrupt bzImage: kernel_alignment \(hex(alignment)) is no power of two from 4 KiB to 1 GiB")
        }
        guard let address = roundedUp(max(preferred, BootLayout.kernelStart), to: alignment) else {
            throw fault("corrupt bzImage: pref_address \(hex(preferred)) can't be aligned to \(hex(alignment))")
        }
        return address
    }

    /// " 6.1.0-56-cloud-amd64", from the version text in the setup sectors; empty where there is none.
    private static func release(_ file: ImageFile, _ head: [UInt8], _ setupCount: UInt64) throws(BootError) -> String {
        let offset = UInt64(head.little(0x20E, UInt16.self))
        guard offset > 0, offset + 0x200 < setupCount else { return "" }
        let text = try file.read(offset + 0x200, 64).prefix { (0x21..<0x7F).contains($0) }
        return text.isEmpty ? "" : " " + String(decoding: text, as: UTF8.self)
    }
}
