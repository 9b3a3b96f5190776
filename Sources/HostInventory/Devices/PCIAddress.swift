/// Where a PCI function is: its segment, bus, device and function numbers, as Linux writes them: `0000:3b:00.1`.
package struct PCIAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Linux makes up segments of more than 16 bits for what is not behind the platform's own host bridges (VMD).
    package let segment: UInt32
    package let bus: UInt8
    /// 0 to 31.
    package let device: UInt8
    /// 0 to 7.
    package let function: UInt8

    package init?(segment: UInt32, bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        self.segment = segment
        self.bus = bus
        self.device = device
        self.function = function
    }

    /// Reads the one form that it is written in: lower-case digits, four or more of the segment.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, (4...8).contains(parts[0].utf8.count), parts[1].utf8.count == 2 else { return nil }
        let place = parts[2].split(separator: ".", omittingEmptySubsequences: false)
        guard place.count == 2, place[0].utf8.count == 2, place[1].utf8.count == 1,
            let segment = UInt32(parts[0], radix: 16), let bus = UInt8(parts[1], radix: 16),
            let device = UInt8(place[0], radix: 16), let function = UInt8(place[1], radix: 16)
        else { return nil }
        self.init(segment: segment, bus: bus, device: device, function: function)
        guard description == text else { return nil }
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.segment, left.bus, left.device, left.function) < (right.segment, right.bus, right.device, right.function)
    }

    package var description: String {
        "\(hexadecimal(segment, 4)):\(hexadecimal(bus, 2)):\(hexadecimal(device, 2)).\(function)"
    }
}

/// Lower-case hexadecimal digits, at least `digits` of them.
package func hexadecimal(_ value: some BinaryInteger, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
