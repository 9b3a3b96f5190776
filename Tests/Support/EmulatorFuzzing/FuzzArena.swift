import CMshv
import Glibc
import LinuxSystem

/// The memory that requests may name: two pages and more for the requests themselves, then guest memory. There is one
/// for all inputs, at an address where nothing else is.
final class FuzzArena: Sendable {
    static let requestCount = 16 * 4096
    static let guestCount = 64 * 4096
    static let shared = try? FuzzArena()

    let address: UInt64
    let event: EventFD

    private init() throws(Errno) {
        // Beyond its end is nothing: a range that goes on there is not mapped.
        let place = UnsafeMutableRawPointer(bitPattern: 0x2800_0000_0000 as UInt)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        guard let base = mmap(place, Self.requestCount + Self.guestCount, PROT_READ | PROT_WRITE, flags, -1, 0),
            base != UnsafeMutableRawPointer(bitPattern: -1)
        else { throw Errno.last }
        address = UInt64(UInt(bitPattern: base))
        event = try EventFD()
    }

    /// All zero, as at first.
    func clear() {
        // Sound: the mapping is this object's, and nobody else uses it between inputs.
        madvise(UnsafeMutableRawPointer(bitPattern: UInt(address)), Self.requestCount + Self.guestCount, MADV_DONTNEED)
    }

    /// - Parameter offset: below `requestCount`, with room for the value.
    func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        // Sound: it lies in the mapping, which lives as long as the process.
        UnsafeMutableRawPointer(bitPattern: UInt(address))?.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }

    /// Whether a value is no address of this process's memory: below what anything is mapped at (a sanitizer's shadow is
    /// lowest), or not an address of user memory at all.
    static func isUnused(_ value: UInt64) -> Bool { value < 0x7FFF_0000 || value >= 0x7FFF_FFFF_F000 }
}
