import Glibc
import LinuxSystem

/// The program's memory as a driver sees it: an address in a request may be anything. The kernel copies, and says
/// where nothing is.
enum UserMemory {
    /// The end of user addresses on x86-64 with four-level page tables.
    static let limit: UInt64 = 0x7FFF_FFFF_F000

    /// Reads a structure of the interface, of integers only.
    ///
    /// - Throws: EFAULT where not all of it is there.
    static func load<T: BitwiseCopyable>(_ initial: T, at address: UInt64) throws(Errno) -> T {
        var value = initial
        // Sound: every bit pattern of such a structure is a value of it.
        try withUnsafeMutableBytes(of: &value) { bytes throws(Errno) in try copyIn(address, into: bytes) }
        return value
    }

    /// - Throws: EFAULT where not all of it can be written; the beginning may have been.
    static func store<T: BitwiseCopyable>(_ value: T, at address: UInt64) throws(Errno) {
        try withUnsafeBytes(of: value) { bytes throws(Errno) in try copyOut(bytes, to: address) }
    }

    static func copyIn(_ address: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
        try OwnMemory.read(address, into: buffer)
    }

    static func copyOut(_ buffer: UnsafeRawBufferPointer, to address: UInt64) throws(Errno) {
        try OwnMemory.write(address, from: buffer)
    }

    /// Whether a range lies below the end of user addresses, mapped or not (`access_ok`).
    static func isUserRange(_ address: UInt64, _ count: UInt64) -> Bool {
        count <= limit && address <= limit - count
    }

    /// Whether all pages of a range are mapped in this process. `address` and `count` are multiples of 4096, and the
    /// range is one of user addresses.
    static func isMapped(_ address: UInt64, _ count: UInt64) -> Bool {
        let step: UInt64 = 1 << 28
        var residency = [UInt8](repeating: 0, count: Int(min(count, step)) / pageSize)
        var done: UInt64 = 0
        while done < count {
            let part = min(step, count - done)
            // Sound: the kernel writes one byte for each page of the range, and there are as many.
            let result = residency.withUnsafeMutableBufferPointer {
                mincore(UnsafeMutableRawPointer(bitPattern: UInt(address + done)), Int(part), $0.baseAddress)
            }
            // Anything but "not mapped" says nothing.
            if result != 0, errno == ENOMEM { return false }
            done += part
        }
        return true
    }
}
