/// A request that a device has to fulfil, and how far it is done.
///
/// A device knows accesses of 1, 2, 4 and 8 bytes. A request of such a size is one access, wherever it begins; the
/// odd rests of operands that cross pages are taken apart at their natural boundaries.
struct DeviceAccess: Sendable {
    private enum Target: Sendable {
        case read(gpa: UInt64)
        case write(gpa: UInt64)
        case readPort(UInt16)
        case writePort(UInt16)
    }

    private let target: Target
    private let count: Int
    private var done = 0
    /// What was read so far, or what is to be written.
    private(set) var value: UInt64

    /// nil when the request is not one for a device.
    init?(_ request: Request) {
        switch request {
        case .translate: return nil
        case .read(let gpa, let count): (target, self.count, value) = (.read(gpa: gpa), count, 0)
        case .write(let gpa, let count, let value): (target, self.count, self.value) = (.write(gpa: gpa), count, value)
        case .readPort(let port, let size): (target, count, value) = (.readPort(port), size, 0)
        case .writePort(let port, let size, let value): (target, count, self.value) = (.writePort(port), size, value)
        }
    }

    var isDone: Bool { done >= count }

    private var size: Int {
        if [1, 2, 4, 8].contains(count) { return count }
        let address: UInt64 =
            switch target {
            case .read(let gpa), .write(let gpa): gpa &+ UInt64(done)
            case .readPort, .writePort: 0
            }
        var size = 4
        while size > 1, size > count - done || address & UInt64(size - 1) != 0 { size /= 2 }
        return size
    }

    /// The access to make now.
    var step: EmulationStep {
        let bytes = UInt8(size)
        let part = value >> (done * 8) & Flags.mask(size)
        switch target {
        case .read(let gpa): return .read(gpa: gpa &+ UInt64(done), size: bytes)
        case .write(let gpa): return .write(gpa: gpa &+ UInt64(done), size: bytes, value: part)
        case .readPort(let port): return .readPort(port: port, size: bytes)
        case .writePort(let port): return .writePort(port: port, size: bytes, value: UInt32(truncatingIfNeeded: part))
        }
    }

    /// The access of `step` was made, with this answer.
    ///
    /// - Returns: false when it was a read and has no answer.
    mutating func take(_ answer: UInt64?) -> Bool {
        let size = size
        switch target {
        case .read, .readPort:
            guard let answer else { return false }
            value |= (answer & Flags.mask(size)) << (done * 8)
        case .write, .writePort: break
        }
        done += size
        return true
    }
}
