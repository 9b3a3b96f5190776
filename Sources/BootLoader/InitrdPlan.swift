import GuestMemory

/// Where an initrd goes: as high as the kernel and the memory allow, so that the kernel has room to unpack below it.
struct InitrdPlan: Sendable, Equatable {
    var gpa: UInt64
    var count: UInt64

    init(_ file: ImageFile, _ kernel: KernelPlan, memorySize: UInt64) throws(BootError) {
        if let wrong = FileMagic.kindThatIsNoInitrd(try file.read(0, FileMagic.headCount)) {
            throw BootError("initrd", "\(file.path) is \(wrong); a cpio archive, compressed or not, is needed")
        }
        guard file.size <= memorySize else {
            throw BootError(
                "initrd", "\(file.path) is oversized: \(file.size) bytes, the VM has \(size(memorySize)) of memory")
        }
        let page: UInt64 = 4096
        // Sums of a file's size (at most 2 GiB), a 32-bit limit and addresses inside low memory: none can overflow.
        let floor = (kernel.end + page - 1) & ~(page - 1)
        let memoryTop = GuestMemory.lowEnd(of: memorySize)
        let top = min(memoryTop, kernel.initrdLimit + 1)
        guard top > file.size, (top - file.size) & ~(page - 1) >= floor else {
            var reason =
                "\(file.path) of \(file.size) bytes does not fit between the kernel's end at \(hex(floor)) "
                + "and \(hex(top))"
            if top < memoryTop {
                reason += ", the highest address this kernel allows for it"
            } else if let whole = roundedUp(floor + file.size + page, to: GuestMemory.granularity),
                whole <= GuestMemory.lowLimit
            {
                reason += "; the VM has \(size(memorySize)), at least \(size(whole)) would be right"
            }
            throw BootError("initrd", reason)
        }
        gpa = (top - file.size) & ~(page - 1)
        count = file.size
    }
}
