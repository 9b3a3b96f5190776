/// Where base address registers may be put: ranges of guest physical addresses without memory, handed out from the
/// bottom, each range aligned to its size (which is a power of two).
package struct PCIWindows: Equatable, Sendable {
    /// Below 4 GiB, for registers of 32 bits.
    package let low: Range<UInt64>
    /// Above all memory, for registers of 64 bits.
    package let high: Range<UInt64>
    package let ports: Range<UInt64>

    private var used: [Range<UInt64>] = []
    private var usedPorts: [Range<UInt64>] = []

    package init(low: Range<UInt64>, high: Range<UInt64>, ports: Range<UInt64>) {
        self.low = low
        self.high = high
        self.ports = ports
    }

    /// A free range for `bar`; 64-bit registers fall back to the low window. Nil where no window has room.
    package mutating func allocate(_ bar: PCIBaseAddressRegister) -> UInt64? {
        switch bar.kind {
        case .port: return Self.take(bar.size, in: ports, &usedPorts)
        case .memory32: return Self.take(bar.size, in: low, &used)
        case .memory64: return Self.take(bar.size, in: high, &used) ?? Self.take(bar.size, in: low, &used)
        }
    }

    /// Gives a range back that `allocate` gave.
    package mutating func free(_ base: UInt64, of bar: PCIBaseAddressRegister) {
        if bar.kind == .port {
            usedPorts.removeAll { $0.lowerBound == base }
        } else {
            used.removeAll { $0.lowerBound == base }
        }
    }

    private static func take(_ size: UInt64, in window: Range<UInt64>, _ used: inout [Range<UInt64>]) -> UInt64? {
        var base = roundUp(window.lowerBound, size)
        // Sorted by address.
        for (index, range) in used.enumerated() {
            guard let candidate = base else { return nil }
            if range.upperBound <= candidate { continue }
            let end = candidate.addingReportingOverflow(size)
            if !end.overflow, end.partialValue <= range.lowerBound, end.partialValue <= window.upperBound {
                used.insert(candidate..<end.partialValue, at: index)
                return candidate
            }
            base = roundUp(range.upperBound, size)
        }
        guard let base else { return nil }
        let end = base.addingReportingOverflow(size)
        guard !end.overflow, end.partialValue <= window.upperBound else { return nil }
        used.append(base..<end.partialValue)
        used.sort { $0.lowerBound < $1.lowerBound }
        return base
    }

    /// `size` is a power of two.
    private static func roundUp(_ address: UInt64, _ size: UInt64) -> UInt64? {
        let sum = address.addingReportingOverflow(size - 1)
        return sum.overflow ? nil : sum.partialValue & ~(size - 1)
    }
}
