/// What a file is, told by its first bytes.
enum FileMagic: Equatable {
    case bzImage
    case elf
    /// Something known that can't be booted as it is.
    case other(Kind, name: String)
    case unknown

    enum Kind {
        case compressed, foreign, disk, initrd, package

        /// What would be right.
        var advice: String {
            switch self {
            case .compressed: "unpack it first, or give the bzImage it came from"
            case .foreign: "an x86-64 bzImage or ELF vmlinux is needed"
            case .disk: "give the kernel inside it; disks are not booted from"
            case .initrd: "it belongs in boot.initrd"
            case .package: "unpack it and give the vmlinuz inside"
            }
        }
    }

    /// The bytes `identify` looks at; an ISO 9660 volume names itself last.
    static let headCount = 0x8006

    static func identify(_ head: [UInt8]) -> FileMagic {
        if head.has("HdrS", at: 0x202) { return .bzImage }
        if head.has("\u{7F}ELF") { return .elf }
        for entry in table where head.has(entry.magic, at: entry.offset) {
            return .other(entry.kind, name: entry.name)
        }
        if head.has([0x55, 0xAA], at: 0x1FE) { return .other(.disk, name: "a disk image (boot sector)") }
        return .unknown
    }

    /// What it is where that can't be an initrd: a kernel, disk or package. An initrd may be of any compression, and
    /// of filesystems we don't know.
    static func kindThatIsNoInitrd(_ head: [UInt8]) -> String? {
        switch identify(head) {
        case .bzImage: "a bzImage"
        case .elf: "an ELF file"
        case .other(.disk, let name), .other(.foreign, let name), .other(.package, let name): name
        default: nil
        }
    }

    /// The more telling magic first: an arm64 Image and an EFI program both begin with "MZ".
    private static let table: [(magic: [UInt8], offset: Int, kind: Kind, name: String)] = [
        (text("ARMd"), 0x38, .foreign, "an arm64 Image"),
        (text("RSC\u{5}"), 0x38, .foreign, "a RISC-V Image"),
        (text("zimg"), 4, .foreign, "an EFI zboot image"),
        (text("MZ"), 0, .foreign, "an EFI program without a Linux setup header"),
        ([0x1F, 0x8B], 0, .compressed, "gzip-compressed"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], 0, .compressed, "xz-compressed"),
        ([0x28, 0xB5, 0x2F, 0xFD], 0, .compressed, "zstd-compressed"),
        ([0x04, 0x22, 0x4D, 0x18], 0, .compressed, "lz4-compressed"),
        ([0x02, 0x21, 0x4C, 0x18], 0, .compressed, "lz4-compressed"),
        (text("BZh"), 0, .compressed, "bzip2-compressed"),
        ([0x5D, 0, 0], 0, .compressed, "lzma-compressed"),
        ([0x89, 0x4C, 0x5A, 0x4F], 0, .compressed, "lzo-compressed"),
        (text("QFI") + [0xFB], 0, .disk, "a qcow2 disk image"),
        (text("KDMV"), 0, .disk, "a VMDK disk image"),
        (text("vhdxfile"), 0, .disk, "a VHDX disk image"),
        (text("conectix"), 0, .disk, "a VHD disk image"),
        (text("EFI PART"), 0x200, .disk, "a disk image (GPT)"),
        (text("CD001"), 0x8001, .disk, "an ISO 9660 image"),
        (text("070701"), 0, .initrd, "a cpio archive"),
        (text("070702"), 0, .initrd, "a cpio archive"),
        ([0x27, 0x05, 0x19, 0x56], 0, .foreign, "a U-Boot uImage"),
        (text("!<arch>"), 0, .package, "an ar archive or Debian package"),
        ([0xED, 0xAB, 0xEE, 0xDB], 0, .package, "an RPM package"),
        (text("#!"), 0, .foreign, "a script"),
    ]

    private static func text(_ string: String) -> [UInt8] { Array(string.utf8) }
}
