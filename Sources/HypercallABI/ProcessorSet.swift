/// Which processors something is for.
package enum ProcessorSet: Hashable, Sendable {
    case all
    /// In ascending order.
    case these([VPIndex])
}

/// The processors that a device's interrupt goes to (HV_DEVICE_INTERRUPT_TARGET), without what follows in the variable
/// header: that is the words of a generic processor set behind its format.
package struct InterruptTarget: HypercallStructure, Hashable {
    package static let size = 16

    package var vector: UInt32
    package var flags: InterruptTargetFlags
    /// A bit for each of the first 64 processors; with `processorSet`, the format of the set.
    package var mask: UInt64

    package init(vector: UInt32, flags: InterruptTargetFlags = [], mask: UInt64) {
        self.vector = vector
        self.flags = flags
        self.mask = mask
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        vector = try bytes.read(UInt32.self, at: 0)
        flags = InterruptTargetFlags(rawValue: try bytes.read(UInt32.self, at: 4))
        mask = try bytes.read(UInt64.self, at: 8)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(vector, at: 0)
        try bytes.write(flags.rawValue, at: 4)
        try bytes.write(mask, at: 8)
    }
}

/// HV_DEVICE_INTERRUPT_TARGET's flags.
package struct InterruptTargetFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// To all of the processors and not to one of them.
    package static let multicast = InterruptTargetFlags(rawValue: 1)
    /// The processors are a generic set.
    package static let processorSet = InterruptTargetFlags(rawValue: 2)
    package static let known: InterruptTargetFlags = [.multicast, .processorSet]
}

/// HV_GENERIC_SET_FORMAT.
package enum ProcessorSetFormat {
    /// A mask of banks, and 64 processors for each bank in it.
    package static let sparse: UInt64 = 0
    package static let all: UInt64 = 1
    static let bankCount = 64
}

extension InterruptTarget {
    /// A target that is a generic processor set, and its variable header.
    package static func set(
        vector: UInt32, _ processors: ProcessorSet, multicast: Bool = false
    ) -> (target: InterruptTarget, header: [UInt64]) {
        let flags: InterruptTargetFlags = multicast ? [.processorSet, .multicast] : [.processorSet]
        guard case .these(let indices) = processors else {
            return (InterruptTarget(vector: vector, flags: flags, mask: ProcessorSetFormat.all), [0])
        }
        var banks: [Int: UInt64] = [:]
        for index in indices where index < 64 * ProcessorSetFormat.bankCount {
            banks[Int(index / 64), default: 0] |= 1 << UInt64(index % 64)
        }
        let valid = banks.keys.reduce(0 as UInt64) { $0 | 1 << UInt64($1) }
        return (
            InterruptTarget(vector: vector, flags: flags, mask: ProcessorSetFormat.sparse),
            [valid] + banks.keys.sorted().map { banks[$0] ?? 0 }
        )
    }

    /// - Parameter header: the variable header.
    /// - Throws: `invalidParameter` for unknown flags, an unknown format, a header that is longer or shorter than the
    ///   set, any header with a mask, and a set without a processor.
    package func processors(header: [UInt64]) throws(HypercallStatus) -> ProcessorSet {
        guard InterruptTargetFlags.known.isSuperset(of: flags) else { throw HypercallStatus.invalidParameter }
        var banks: [(bank: Int, bits: UInt64)] = []
        if flags.contains(.processorSet) {
            switch mask {
            case ProcessorSetFormat.all:
                guard header.count <= 1 else { throw HypercallStatus.invalidParameter }
                return .all
            case ProcessorSetFormat.sparse:
                guard let valid = header.first, header.count == 1 + valid.nonzeroBitCount else {
                    throw HypercallStatus.invalidParameter
                }
                let numbers = (0..<ProcessorSetFormat.bankCount).filter { valid & 1 << UInt64($0) != 0 }
                for (bank, bits) in zip(numbers, header.dropFirst()) { banks.append((bank, bits)) }
            default: throw HypercallStatus.invalidParameter
            }
        } else {
            guard header.isEmpty else { throw HypercallStatus.invalidParameter }
            banks = [(0, mask)]
        }
        var indices: [VPIndex] = []
        for (bank, bits) in banks {
            for bit in 0..<64 where bits & 1 << UInt64(bit) != 0 { indices.append(VPIndex(64 * bank + bit)) }
        }
        guard !indices.isEmpty else { throw HypercallStatus.invalidParameter }
        return .these(indices)
    }
}
