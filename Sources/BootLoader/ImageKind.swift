/// What a kernel file is, by its first bytes.
enum ImageKind: Equatable {
    case bzImage
    case elf
    /// Something else that has a name, and what to do about it.
    case other(String)

    /// - Parameter head: the file's first 1024 bytes, or fewer.
    init(head: [UInt8]) {
        func begins(_ magic: [UInt8]) -> Bool { head.starts(with: magic) }
        func has(_ magic: String, at offset: Int) -> Bool {
            head.count >= offset + magic.utf8.count && head[offset...].starts(with: magic.utf8)
        }
        if begins([0x7F, 0x45, 0x4C, 0x46]) {
            self = .elf
        } else if has("HdrS", at: 0x202) {
            self = .bzImage
        } else if begins([0x1F, 0x8B]) {
            self = .other("is gzip-compressed: unpack it first (gzip -d)")
        } else if begins([0xFD, 0x37, 0x7A, 0x58, 0x5A]) {
            self = .other("is xz-compressed: unpack it first (xz -d)")
        } else if begins([0x28, 0xB5, 0x2F, 0xFD]) {
            self = .other("is zstd-compressed: unpack it first (zstd -d)")
        } else if has("ARM\u{64}", at: 0x38) {
            self = .other("is an arm64 kernel; this host needs an x86-64 one")
        } else if begins([0x51, 0x46, 0x49, 0xFB]) {
            self = .other("is a qcow2 disk image, not a kernel")
        } else if begins([0x4D, 0x5A]) {
            self = .other("is an EFI program without Linux's boot header; give a bzImage or an ELF vmlinux")
        } else {
            self = .other("is neither a bzImage nor an ELF file (for a flat image set format and loadAddress)")
        }
    }
}
