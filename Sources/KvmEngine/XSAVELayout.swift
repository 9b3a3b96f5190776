import HypercallABI

/// Where each state component stands in an XSAVE area, in the standard form that KVM has and in the compacted form that
/// the hypervisor has (Intel's manual, volume 1, "Managing State Using the XSAVE Feature Set").
struct XSAVELayout: Equatable {
    struct Component: Equatable {
        /// The bit in XCR0.
        var number: Int
        var size: Int
        /// From the area's beginning, in the standard form.
        var standardOffset: Int
        /// Whether it begins at 64 bytes in the compacted form.
        var isAligned: Bool
    }

    /// The components after the first two, in order.
    let components: [Component]

    /// x87 and SSE with their header.
    private static let legacySize = 512
    private static let headerSize = 64
    private static var headEnd: Int { legacySize + headerSize }
    private static let compactedBit: UInt64 = 1 << 63

    /// - Parameter cpuid: what CPUID's leaf 0xD gives for a subleaf.
    init?(cpuid: (_ subleaf: UInt32) -> CPUIDRegisters?) {
        guard let main = cpuid(0) else { return nil }
        let supported = UInt64(main.eax) | UInt64(main.edx) << 32
        guard supported & 3 == 3 else { return nil }
        var components: [Component] = []
        for number in 2..<63 where supported >> UInt64(number) & 1 != 0 {
            guard let sub = cpuid(UInt32(number)), sub.eax > 0, sub.eax <= 1 << 16, sub.ebx >= Self.headEnd,
                sub.ebx <= 1 << 16
            else { return nil }
            components.append(
                Component(
                    number: number, size: Int(sub.eax), standardOffset: Int(sub.ebx), isAligned: sub.ecx & 2 != 0))
        }
        self.components = components
    }

    /// The compacted form has every component, so that its size is always the same.
    var compactedSize: Int { offsets.end }
    var standardSize: Int {
        components.map { $0.standardOffset + $0.size }.max().map { max($0, Self.headEnd) } ?? Self.headEnd
    }

    private var mask: UInt64 { components.reduce(3) { $0 | 1 << UInt64($1.number) } }

    private var offsets: (components: [Int], end: Int) {
        var offsets: [Int] = []
        var end = Self.headEnd
        for component in components {
            if component.isAligned { end = (end + 63) / 64 * 64 }
            offsets.append(end)
            end += component.size
        }
        return (offsets, end)
    }

    /// - Parameter standard: `standardSize` bytes at least.
    func compacted(_ standard: [UInt8]) -> [UInt8] {
        let offsets = offsets
        var area = Array(standard[..<Self.headEnd])
        Self.setWord(&area, 520, Self.compactedBit | mask)
        area += [UInt8](repeating: 0, count: offsets.end - area.count)
        for (component, offset) in zip(components, offsets.components) {
            let place = component.standardOffset
            area.replaceSubrange(offset..<(offset + component.size), with: standard[place..<(place + component.size)])
        }
        return area
    }

    /// - Parameter size: of the area to make, `standardSize` at least.
    /// - Throws: `invalidParameter` for a header that is none: not compacted, components that there are not, or reserved
    ///   bytes.
    func standard(_ area: [UInt8], size: Int) throws(HypercallStatus) -> [UInt8] {
        let offsets = offsets
        guard area.count >= offsets.end, size >= standardSize else { throw .invalidParameter }
        let (present, form) = (Self.word(area, 512), Self.word(area, 520))
        guard form == Self.compactedBit | mask, present & ~mask == 0,
            area[528..<Self.headEnd].allSatisfy({ $0 == 0 })
        else { throw .invalidParameter }
        var standard = Array(area[..<Self.headEnd])
        Self.setWord(&standard, 520, 0)
        standard += [UInt8](repeating: 0, count: size - standard.count)
        for (component, offset) in zip(components, offsets.components) {
            let place = component.standardOffset
            standard.replaceSubrange(place..<(place + component.size), with: area[offset..<(offset + component.size)])
        }
        return standard
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
    }

    private static func setWord(_ bytes: inout [UInt8], _ offset: Int, _ value: UInt64) {
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }
}

/// The part of an XSAVE area that is FXSAVE's: x87 and SSE.
struct XSAVELegacyArea {
    private(set) var area: [UInt8]

    /// - Parameter area: 520 bytes at least.
    init(_ area: [UInt8]) { self.area = area }

    /// 16 bytes at a constant offset below 416. Setting them says that x87 and SSE are in use, so that what is there
    /// counts.
    subscript(offset: Int) -> RegisterValue {
        get { RegisterValue(low: word(offset), high: word(offset + 8)) }
        set {
            for index in 0..<8 {
                area[offset + index] = UInt8(truncatingIfNeeded: newValue.low >> (8 * UInt64(index)))
                area[offset + 8 + index] = UInt8(truncatingIfNeeded: newValue.high >> (8 * UInt64(index)))
            }
            area[512] |= 3
        }
    }

    private func word(_ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(area[offset + $1]) << (8 * UInt64($1)) }
    }
}
