import CLinux
import Glibc

/// The page size of x86-64, in bytes.
package let pageSize = 4096

/// An owned mapping of memory: unmapped when its owner goes away.
package struct MemoryMapping: ~Copyable, @unchecked Sendable {
    // Unchecked: the address and length never change; who may touch the memory is the owner's to say.

    /// The mapping's first byte.
    package let base: UnsafeMutableRawPointer
    /// The mapping's length in bytes, a multiple of the page size.
    package let count: Int

    /// Maps `count` bytes of new, zeroed memory, which the kernel gives page by page on first use.
    ///
    /// - Parameters:
    ///   - count: bytes, rounded up to whole pages.
    ///   - accessible: false reserves addresses only: a touch ends the process, and no memory is ever used.
    ///   - shared: whether a child process or an other mapping of it sees the same bytes.
    ///   - alignment: of the first byte; a power of two, at least a page.
    package init(
        anonymous count: Int, accessible: Bool = true, shared: Bool = false, alignment: Int = pageSize
    ) throws(Errno) {
        let length = (count + pageSize - 1) & ~(pageSize - 1)
        let reserve = length + (alignment - pageSize)
        let protection = accessible ? PROT_READ | PROT_WRITE : PROT_NONE
        let flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE
        guard let start = mmap(nil, reserve, protection, flags, -1, 0), start != hv_map_failed() else {
            throw Errno.last
        }
        // Give back what lies before and behind the aligned part.
        let address = UInt(bitPattern: start)
        let aligned = (address + UInt(alignment) - 1) & ~(UInt(alignment) - 1)
        let before = Int(aligned - address)
        if before > 0 { munmap(start, before) }
        let behind = reserve - before - length
        if behind > 0 { munmap(start + before + length, behind) }
        base = start + before
        self.count = length
    }

    /// Maps `count` bytes of new, zeroed memory in huge pages of the kernel's pool, which are reserved with that.
    ///
    /// - Parameters:
    ///   - count: bytes, a multiple of the page size.
    ///   - hugePageSize: 2 MiB or 1 GiB.
    /// - Throws: `ENOMEM` where the pool has not as many, `EINVAL` where there is none of that size.
    package init(hugePages count: Int, of hugePageSize: Int) throws(Errno) {
        let size = Int32(hugePageSize.trailingZeroBitCount) << HV_MAP_HUGE_SHIFT
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | HV_MAP_HUGETLB | size
        guard let start = mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0), start != hv_map_failed() else {
            throw Errno.last
        }
        base = start
        self.count = count
    }

    /// Maps `count` bytes of an open file from `offset`, shared with everybody who maps it.
    package init(
        file: borrowing FileDescriptor, offset: Int64 = 0, count: Int, writable: Bool
    ) throws(Errno) {
        let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
        guard let start = mmap(nil, count, protection, MAP_SHARED, file.raw, off_t(offset)), start != hv_map_failed()
        else { throw Errno.last }
        base = start
        self.count = count
    }

    deinit { munmap(base, count) }
}
