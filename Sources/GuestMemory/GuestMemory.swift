import Glibc
import LinuxSystem

/// An access that the guest's memory does not contain.
package struct GuestMemoryError: Error, Equatable, Sendable, CustomStringConvertible {
    package let gpa: UInt64
    package let count: UInt64
    package let reason: String

    package var description: String {
        "\(count) bytes at guest address 0x\(String(gpa, radix: 16)): \(reason)"
    }
}

/// A guest's RAM: from 0 up to 3 GiB, the rest from 4 GiB. Every access is checked against that; what lies between is
/// for devices.
package final class GuestMemory: @unchecked Sendable {
    // Unchecked: addresses never change; the bytes are shared with the guest, which writes them at any time. Nothing
    // here relies on two reads of one byte giving the same: whoever parses guest memory copies it once and parses that.

    /// A piece of RAM.
    package struct Region: @unchecked Sendable {
        // Unchecked: an address; who may touch what is there is said above.
        package let gpa: UInt64
        package let hostBase: UnsafeMutableRawPointer
        package let count: UInt64
    }

    package static let gapStart: UInt64 = 0xC000_0000
    package static let highStart: UInt64 = 0x1_0000_0000
    /// Sizes are multiples of this, so that the hypervisor can map large pages.
    package static let granularity: UInt64 = 2 << 20

    package let size: UInt64
    package let regions: [Region]
    private let mapping: MemoryMapping

    /// - Parameters:
    ///   - size: bytes, a multiple of 2 MiB, at most 64 TiB.
    ///   - mapped: false reserves addresses only; nothing may be read or written then.
    /// - Throws: `GuestMemoryError` for a size that cannot be, or when the host gives no addresses.
    package init(size: UInt64, mapped: Bool = true) throws(GuestMemoryError) {
        guard size > 0, size % Self.granularity == 0, size <= 64 << 40 else {
            throw GuestMemoryError(gpa: 0, count: size, reason: "the size must be a multiple of 2 MiB up to 64 TiB")
        }
        do {
            mapping = try MemoryMapping(
                anonymous: Int(size), accessible: mapped, alignment: Int(Self.granularity))
        } catch {
            throw GuestMemoryError(gpa: 0, count: size, reason: "the host gives no memory: \(error)")
        }
        self.size = size
        let low = min(size, Self.gapStart)
        var regions = [Region(gpa: 0, hostBase: mapping.base, count: low)]
        if size > low {
            regions.append(Region(gpa: Self.highStart, hostBase: mapping.base + Int(low), count: size - low))
        }
        self.regions = regions
    }

    /// The end of RAM below the gap.
    package var lowEnd: UInt64 { regions[0].count }

    /// The host's address of a range that lies in one region; nil otherwise.
    package func slice(_ gpa: UInt64, _ count: Int) -> UnsafeMutableRawPointer? {
        guard count >= 0 else { return nil }
        for region in regions where gpa >= region.gpa {
            let offset = gpa - region.gpa
            if offset <= region.count, UInt64(count) <= region.count - offset {
                return region.hostBase + Int(offset)
            }
        }
        return nil
    }

    private func checked(_ gpa: UInt64, _ count: Int) throws(GuestMemoryError) -> UnsafeMutableRawPointer {
        guard let address = slice(gpa, count) else {
            throw GuestMemoryError(gpa: gpa, count: UInt64(max(count, 0)), reason: "not all of it is RAM")
        }
        return address
    }

    /// Copies bytes out.
    package func read(_ gpa: UInt64, _ count: Int) throws(GuestMemoryError) -> [UInt8] {
        let address = try checked(gpa, count)
        return [UInt8](UnsafeRawBufferPointer(start: address, count: count))
    }

    /// Copies bytes in.
    package func write(_ gpa: UInt64, _ bytes: [UInt8]) throws(GuestMemoryError) {
        let address = try checked(gpa, bytes.count)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { address.copyMemory(from: base, byteCount: source.count) }
        }
    }

    /// Stores a number, little-endian, at any alignment.
    package func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at gpa: UInt64) throws(GuestMemoryError) {
        try checked(gpa, MemoryLayout<T>.size).storeBytes(of: value.littleEndian, as: T.self)
    }

    /// Loads a number, little-endian, from any alignment.
    package func load<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, at gpa: UInt64) throws(GuestMemoryError) -> T {
        T(littleEndian: try checked(gpa, MemoryLayout<T>.size).loadUnaligned(as: T.self))
    }

    /// Reads `count` bytes of an open file from `offset` straight into the guest's memory.
    ///
    /// - Throws: `GuestMemoryError` when the range is not RAM, the file is shorter, or reading fails.
    package func readFile(
        _ file: borrowing FileDescriptor, offset: UInt64, count: Int, to gpa: UInt64
    ) throws(GuestMemoryError) {
        let address = try checked(gpa, count)
        let number = file.raw
        var done = 0
        while done < count {
            let position = off_t(clamping: offset) + off_t(done)
            let got: Int
            do {
                got = try retryingInterrupts { pread(number, address + done, count - done, position) }
            } catch {
                throw GuestMemoryError(gpa: gpa, count: UInt64(count), reason: "reading the file: \(error)")
            }
            if got == 0 {
                throw GuestMemoryError(gpa: gpa, count: UInt64(count), reason: "the file ends \(count - done) bytes early")
            }
            done += got
        }
    }

    /// Makes all of it zero again and gives the host's pages back. No processor may run.
    package func zeroAll() { madvise(mapping.base, mapping.count, MADV_DONTNEED) }
}
