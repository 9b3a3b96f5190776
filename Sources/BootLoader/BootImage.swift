import GuestMemory
import HypercallABI

/// A boot source that was opened, parsed and found bootable in a VM of a given size.
package struct BootImage: Sendable, Equatable {
    package let source: BootSource
    /// Bytes of guest memory the image was checked against.
    package let memorySize: UInt64
    let kernel: KernelPlan
    let initrd: InitrdPlan?

    /// How the kernel is entered.
    package var bootProtocol: BootProtocol { kernel.bootProtocol }
    /// Guest physical address of the first instruction.
    package var entry: UInt64 { kernel.entry }
    /// One line for people: what the kernel is and how it is entered.
    package var summary: String {
        "\(kernel.summary), entered by \(bootProtocol.rawValue) at \(hex(entry))"
    }

    /// Opens the files and checks everything that can be checked without a guest. Never blocks on a FIFO or device.
    ///
    /// - Parameter memorySize: bytes, a multiple of 2 MiB.
    /// - Throws: `BootError` with the field at fault.
    package static func inspect(_ source: BootSource, memorySize: UInt64) throws(BootError) -> BootImage {
        try OpenedImage(source, memorySize: memorySize).image
    }

    /// Puts kernel, initrd, command line and boot structures into zeroed memory.
    ///
    /// The files are opened and checked again, and what is loaded is what was checked: a source that no longer gives
    /// the same plan, or is written to while it is loaded, is an error. After an error the memory is of no use.
    ///
    /// - Parameters:
    ///   - memory: as large as `inspect` was told.
    ///   - acpiRSDP: guest physical address of the RSDP, which the machine writes; 0 for none.
    /// - Returns: the first processor's registers.
    package func load(into memory: GuestMemory, acpiRSDP: UInt64) throws(BootError) -> [RegisterAssociation] {
        guard memory.size == memorySize else {
            throw BootError(
                "kernel", "checked for \(size(memorySize)) of memory, but the guest has \(size(memory.size))")
        }
        let opened = try OpenedImage(source, memorySize: memorySize)
        if opened.image.kernel != kernel {
            throw BootError("kernel", "\(source.kernel) changed since it was checked; check it again")
        }
        if opened.image.initrd != initrd {
            throw BootError("initrd", "\(source.initrd ?? "") changed since it was checked; check it again")
        }
        try opened.loadFiles(into: memory)
        do {
            return try writeStructures(memory, acpiRSDP: acpiRSDP)
        } catch {
            throw BootError("kernel", "can't write boot structures: \(error)")
        }
    }

    private func writeStructures(
        _ memory: GuestMemory, acpiRSDP: UInt64
    ) throws(GuestMemoryError) -> [RegisterAssociation] {
        let commandLine = Array(source.commandLine.utf8)
        try memory.write(BootLayout.commandLine.lowerBound, commandLine + [0])
        let facts = BootFacts(
            initrd: initrd, commandLineCount: commandLine.count, acpiRSDP: acpiRSDP, memorySize: memorySize)
        try InitialRegisters.writeTables(memory, longMode: bootProtocol != .pvh)
        switch bootProtocol {
        case .linux64:
            try BootParameters.write(memory, setupHeader: kernel.setupHeader, facts)
            return InitialRegisters.longMode(rip: entry, rsi: BootLayout.bootParameters)
        case .pvh:
            try StartInfo.write(memory, facts)
            return InitialRegisters.protectedMode(rip: entry, rbx: BootLayout.startInfo)
        case .flat:
            try StartInfo.write(memory, facts)
            return InitialRegisters.longMode(rip: entry, rbx: BootLayout.startInfo)
        }
    }
}

/// The files of a boot source while they are open, and what was found in them.
private struct OpenedImage {
    let image: BootImage
    /// Nil for the built-in guest.
    private let kernelFile: ImageFile?
    private let initrdFile: ImageFile?

    init(_ source: BootSource, memorySize: UInt64) throws(BootError) {
        let isDemo = source.kernel == BootSource.demoKernel
        if source.loadAddress != nil, source.format != .flat, !isDemo {
            throw BootError("loadAddress", "goes only with format flat; a kernel's file says where it is loaded")
        }
        let kernel: KernelPlan
        if isDemo {
            kernelFile = nil
            kernel = try DemoKernel.plan(source, memorySize: memorySize)
        } else {
            let file = try ImageFile(source.kernel, field: "kernel")
            kernelFile = file
            kernel = try Self.plan(file, source, memorySize: memorySize)
        }
        try Self.checkCommandLine(source.commandLine, kernel.commandLineLimit)
        var initrd: InitrdPlan?
        if let path = source.initrd {
            let file = try ImageFile(path, field: "initrd")
            initrdFile = file
            initrd = try InitrdPlan(file, kernel, memorySize: memorySize)
        } else {
            initrdFile = nil
        }
        image = BootImage(source: source, memorySize: memorySize, kernel: kernel, initrd: initrd)
    }

    private static func plan(
        _ file: ImageFile, _ source: BootSource, memorySize: UInt64
    ) throws(BootError) -> KernelPlan {
        if source.format == .flat { return try FlatImage.plan(file, source, memorySize: memorySize) }
        let head = try file.read(0, FileMagic.headCount)
        switch FileMagic.identify(head) {
        case .bzImage:
            guard source.format == .auto || source.format == .bzImage else {
                throw BootError(
                    "format", "\(file.path) is a bzImage, not an ELF file; format bzimage or auto would be right")
            }
            return try BzImage.plan(file, head: head, memorySize: memorySize)
        case .elf:
            guard source.format != .bzImage else {
                throw BootError(
                    "format", "\(file.path) is an ELF file, not a bzImage; format elf or auto would be right")
            }
            return try ElfImage.plan(file, head: head, format: source.format, memorySize: memorySize)
        case .other(let kind, let name):
            throw BootError("kernel", "\(file.path) is \(name): \(kind.advice)")
        case .unknown:
            throw BootError(
                "kernel",
                "\(file.path) is neither a bzImage nor an ELF file (it begins with "
                    + "\(head.prefix(4).map { hex(UInt64($0)) }.joined(separator: " "))); "
                    + "bytes to be run as they are need format flat and a loadAddress")
        }
    }

    private static func checkCommandLine(_ text: String, _ limit: Int) throws(BootError) {
        let bytes = text.utf8
        guard !bytes.contains(0) else {
            throw BootError("commandLine", "it contains a NUL byte, where the kernel would take it to end")
        }
        guard bytes.count <= limit else {
            throw BootError("commandLine", "\(bytes.count) bytes long; this kernel takes at most \(limit)")
        }
    }

    /// Puts the files' bytes where the plan has them.
    func loadFiles(into memory: GuestMemory) throws(BootError) {
        for segment in image.kernel.segments {
            if let kernelFile {
                try kernelFile.load(segment.offset, segment.fileCount, into: memory, at: segment.gpa)
            }
            do {
                if kernelFile == nil { try memory.write(segment.gpa, DemoKernel.bytes) }
                let rest = segment.memoryCount - segment.fileCount
                try memory.zero(segment.gpa + segment.fileCount, count: Int(rest))
            } catch {
                throw BootError("kernel", "can't load \(image.source.kernel): \(error)")
            }
        }
        if let initrdFile, let initrd = image.initrd {
            try initrdFile.load(0, initrd.count, into: memory, at: initrd.gpa)
        }
        try kernelFile?.checkUnchanged()
        try initrdFile?.checkUnchanged()
    }
}
