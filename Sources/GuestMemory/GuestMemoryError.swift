import LinuxSystem

/// An access to guest memory that could not be made. Nothing, or only a part, was transferred.
package struct GuestMemoryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Guest physical address of the access.
    package var gpa: UInt64
    /// The access's length in bytes, as it was asked for.
    package var count: Int
    package var reason: Reason

    package enum Reason: Sendable, Equatable {
        /// Not wholly inside one region of memory.
        case outsideMemory
        /// This guest's memory is only a reservation of addresses (`mapped: false`).
        case notMapped
        /// The file ended before `count` bytes.
        case endOfFile
        /// The kernel refused to read the file.
        case file(Errno)
    }

    package init(gpa: UInt64, count: Int, reason: Reason) {
        self.gpa = gpa
        self.count = count
        self.reason = reason
    }

    package var description: String {
        let place = "\(count) bytes at guest physical address 0x" + String(gpa, radix: 16)
        return switch reason {
        case .outsideMemory: place + " are not inside the guest's memory"
        case .notMapped: place + " can't be touched: this guest's memory is reserved, not mapped"
        case .endOfFile: place + " can't be filled: the file ended early"
        case .file(let error): place + " can't be filled from the file: \(error)"
        }
    }
}
