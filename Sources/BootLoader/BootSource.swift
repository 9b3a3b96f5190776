/// What a VM starts from, as the user said it.
package struct BootSource: Sendable, Equatable {
    /// A path on the host, or `builtin:demo`.
    package var kernel: String
    /// A path on the host.
    package var initrd: String?
    package var commandLine: String
    package var format: Format
    /// Guest physical address of a flat image; only with `format` flat.
    package var loadAddress: UInt64?

    package enum Format: String, Sendable, CaseIterable {
        /// Told by the file's first bytes: a bzImage or an ELF file, never flat.
        case auto
        case bzImage = "bzimage"
        /// An ELF vmlinux; entered by PVH where it has the note for it, else by the 64-bit boot protocol.
        case elf
        /// An ELF vmlinux entered by the 64-bit boot protocol, also where it has the note for PVH.
        case linux64
        /// An ELF vmlinux entered by PVH; refused without the note.
        case pvh
        /// Bytes put at `loadAddress` and entered there in 64-bit mode.
        case flat
    }

    package static let demoKernel = "builtin:demo"

    package init(
        kernel: String, initrd: String? = nil, commandLine: String = "", format: Format = .auto,
        loadAddress: UInt64? = nil
    ) {
        self.kernel = kernel
        self.initrd = initrd
        self.commandLine = commandLine
        self.format = format
        self.loadAddress = loadAddress
    }
}

/// Why an image cannot be booted.
package struct BootError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The part of the boot source at fault: `kernel`, `initrd`, `commandLine`, `format`, `loadAddress`.
    package var field: String
    /// What is wrong and what would be right.
    package var reason: String
    package var description: String { "\(field): \(reason)" }
    package init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }
}
