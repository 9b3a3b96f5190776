import Glibc
import LinuxSystem

/// Files that can't be booted, made in a directory of the test's.
struct BadImage: Sendable {
    var name: String
    /// The member of `boot` at fault.
    var field: String
    /// What the problem has to say of it.
    var fragment: String
    /// The members of `boot`.
    var members: @Sendable (TemporaryDirectory) throws -> String

    init(
        _ name: String, _ field: String, _ fragment: String,
        _ members: @escaping @Sendable (TemporaryDirectory) throws -> String
    ) {
        self.name = name
        self.field = field
        self.fragment = fragment
        self.members = members
    }

    /// A kernel of `bytes`, and a hole after them up to `size`.
    static func kernel(
        _ name: String, _ fragment: String, _ bytes: [UInt8], size: Int? = nil, field: String = "kernel",
        _ more: String = ""
    ) -> BadImage {
        BadImage(name, field, fragment) { directory in
            #""kernel": "\#(try directory.file("kernel", bytes, size: size))"\#(more)"#
        }
    }

    /// A good kernel with an initrd of `bytes`, and a hole after them up to `size`.
    static func initrd(_ name: String, _ fragment: String, _ bytes: [UInt8], size: Int? = nil) -> BadImage {
        BadImage(name, "initrd", fragment) { directory in
            let kernel = try directory.file("kernel", bzImage())
            let initrd = try directory.file("initrd", bytes, size: size)
            return #""kernel": "\#(kernel)", "initrd": "\#(initrd)""#
        }
    }

    private static func text(_ string: String, count: Int = 2048) -> [UInt8] {
        let bytes = Array(string.utf8)
        return bytes + [UInt8](repeating: 0, count: max(0, count - bytes.count))
    }

    private static let flat = #", "format": "flat""#

    static let files: [BadImage] = [
        BadImage("missing", "kernel", "can't find") { #""kernel": "\#($0.path)/none""# },
        BadImage("directory", "kernel", "directory") { #""kernel": "\#($0.path)""# },
        BadImage("FIFO", "kernel", "FIFO") { directory in
            let path = "\(directory.path)/fifo"
            if mkfifo(path, 0o600) != 0, errno != EEXIST { throw Errno.last }
            return #""kernel": "\#(path)""#
        },
        BadImage("device", "kernel", "character device") { _ in #""kernel": "/dev/zero""# },
        BadImage("link to itself", "kernel", "can't find") { directory in
            let path = "\(directory.path)/loop"
            if symlink(path, path) != 0, errno != EEXIST { throw Errno.last }
            return #""kernel": "\#(path)""#
        },
        BadImage("FIFO as initrd", "initrd", "FIFO") { directory in
            let path = "\(directory.path)/fifo"
            if mkfifo(path, 0o600) != 0, errno != EEXIST { throw Errno.last }
            return #""kernel": "\#(try directory.file("kernel", bzImage()))", "initrd": "\#(path)""#
        },
        kernel("empty", "is empty", []),
        kernel("oversized", "oversized", Array("x".utf8), size: 3 << 30),
        kernel("text", "neither a bzImage nor an ELF file", text("hello")),
        kernel("script", "script", text("#!/bin/sh\n")),
        kernel("gzip", "gzip-compressed", [0x1F, 0x8B] + text("")),
        kernel("xz", "xz-compressed", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0] + text("")),
        kernel("zstd", "zstd-compressed", [0x28, 0xB5, 0x2F, 0xFD] + text("")),
        kernel("qcow2", "qcow2 disk image", Array("QFI".utf8) + [0xFB] + text("")),
        kernel("boot sector", "disk image", [UInt8](repeating: 0, count: 510) + [0x55, 0xAA] + text("")),
        kernel("initrd as kernel", "boot.initrd", text("070701")),
        kernel("arm64 Image", "arm64", text("MZ", count: 0x38) + Array("ARMd".utf8) + text("")),
        kernel("EFI program", "EFI program", text("MZ")),
    ]

    static let kernels: [BadImage] = [
        kernel("bzImage: header only", "truncated bzImage", Array(bzImage().prefix(0x210))),
        kernel("bzImage: half", "truncated bzImage", Array(bzImage().prefix(3000))),
        kernel("bzImage: boot flag", "boot flag", bzImage { $0[0x1FE] = 0 }),
        kernel("bzImage: old protocol", "boot protocol 2.5", bzImage { $0.replace(0x206, [0x05, 0x02]) }),
        kernel("bzImage: zImage", "zImage", bzImage { $0[0x211] = 0 }),
        kernel("bzImage: 32-bit", "32-bit kernel", bzImage { $0[0x236] = 0x7E }),
        kernel("bzImage: payload", "payload", bzImage { $0.replace(0x24C, [0xFF, 0xFF, 0xFF, 0xFF]) }),
        kernel("bzImage: huge size", "truncated", bzImage { $0.replace(0x1F4, [0xFF, 0xFF, 0xFF, 0xFF]) }),
        kernel("bzImage: init_size", "init_size is 0", bzImage { $0.replace(0x260, [0, 0, 0, 0]) }),
        kernel("bzImage: too large for the VM", "at least", bzImage { $0.replace(0x260, [0, 0, 0, 0x20]) }),
        kernel("bzImage: load address", "beyond 4 GiB", bzImage { $0[0x25F] = 0x80 }),
        kernel("bzImage as ELF", "bzimage or auto", bzImage(), field: "format", #", "format": "elf""#),
        kernel("ELF: magic only", "truncated ELF file", [0x7F, 0x45, 0x4C, 0x46]),
        kernel("ELF: headers missing", "truncated ELF file", Array(elf().prefix(80))),
        kernel("ELF: half", "truncated ELF file", Array(elf().prefix(0x180))),
        kernel("ELF: 32-bit", "32-bit ELF", elf { $0[4] = 1 }),
        kernel("ELF: big-endian", "big-endian", elf { $0[5] = 2 }),
        kernel("ELF: arm64", "machine 183", elf { $0[18] = 183 }),
        kernel("ELF: no headers", "no program headers", elf { $0[56] = 0 }),
        kernel("ELF: many headers", "oversized", elf { $0.replace(56, [0xFF, 0xFF]) }),
        kernel("ELF: entry", "entry", elf { $0[26] = 0x7F }),
        kernel("ELF: low", "below 1 MiB", elf { $0.replace(64 + 24, [0, 0, 0, 0]) }),
        kernel("ELF: round the end", "round the end", elf { $0.replace(64 + 40, [UInt8](repeating: 0xFF, count: 8)) }),
        kernel("ELF as bzImage", "elf or auto", elf(), field: "format", #", "format": "bzimage""#),
        kernel("ELF without note as PVH", "PVH note", elf(), field: "format", #", "format": "pvh""#),
        BadImage("a program", "kernel", "not a kernel") { _ in #""kernel": "/proc/self/exe""# },
        kernel("flat without address", "needs the address", [0xF4], field: "loadAddress", flat),
        kernel("flat too low", "below 1 MiB", [0xF4], field: "loadAddress", flat + #", "loadAddress": 4096"#),
        kernel(
            "flat over the end", "at least", text("x", count: 8192), flat + #", "loadAddress": 67104768"#),
        initrd("initrd: empty", "is empty", []),
        initrd("initrd: a kernel", "bzImage", bzImage()),
        initrd("initrd: larger than memory", "oversized", text("070701"), size: 65 << 20),
        initrd("initrd: no room", "does not fit", text("070701"), size: 62 << 20),
        initrd("initrd: huge", "oversized", text("070701"), size: 1 << 40),
        BadImage("initrd for the demo guest", "initrd", "no use for an initrd") { directory in
            #""kernel": "builtin:demo", "initrd": "\#(try directory.file("initrd", text("070701")))""#
        },
        BadImage("format for the demo guest", "format", "leave the format out") { _ in
            #""kernel": "builtin:demo", "format": "elf""#
        },
        BadImage("command line for a small kernel", "commandLine", "at most 100") { directory in
            let kernel = try directory.file("kernel", bzImage { $0.replace(0x238, [100, 0, 0, 0]) })
            return #""kernel": "\#(kernel)", "commandLine": "\#(String(repeating: "x", count: 101))""#
        },
    ]

    /// A bzImage with the header of a Linux kernel (boot protocol 2.15), 1 KiB of setup and 4 KiB of kernel.
    static func bzImage(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1024 + 4096)
        bytes[0x1F1] = 1
        bytes.replace(0x1F4, [0, 1, 0, 0])
        bytes.replace(0x1FE, [0x55, 0xAA, 0xEB, 0x6A] + Array("HdrS".utf8) + [0x0F, 0x02])
        bytes[0x211] = 1
        bytes.replace(0x22C, [0xFF, 0xFF, 0xFF, 0x7F])
        bytes.replace(0x230, [0, 0, 0x20, 0, 1, 0, 0x7F, 0, 0xFF, 0x07, 0, 0])
        bytes.replace(0x248, [0, 1, 0, 0, 0, 8, 0, 0])
        bytes.replace(0x258, [0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x30, 0])
        change(&bytes)
        return bytes
    }

    /// An x86-64 ELF kernel with one segment of 256 bytes, at 2 MiB.
    static func elf(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 0x200)
        bytes.replace(0, [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
        bytes.replace(16, [2, 0, 62, 0, 1, 0, 0, 0, 0, 0, 0x20])
        bytes[32] = 64
        bytes.replace(52, [64, 0, 56, 0, 1])
        bytes.replace(64, [1, 0, 0, 0, 5, 0, 0, 0, 0, 1])
        for place in [64 + 16, 64 + 24] { bytes[place + 2] = 0x20 }
        for place in [64 + 32, 64 + 40] { bytes[place + 1] = 1 }
        change(&bytes)
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func replace(_ offset: Int, _ bytes: [UInt8]) {
        replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}
