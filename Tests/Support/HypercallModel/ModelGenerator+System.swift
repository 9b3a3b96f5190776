import HypercallABI
import HypercallCore

extension ModelGenerator {
    mutating func systemCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        switch random.below(20) {
        case 0: return ModelCall(ControlWord(.getPartitionId), [], outputCount: 8)
        case 1..<3:
            bytes.add(random.oneIn(5) ? partition(model) : Model.own)
            bytes.add(random.oneIn(3) ? 0 : partition(model))
            return ModelCall(ControlWord(.getNextChildPartition), bytes.bytes, outputCount: 8)
        case 3:
            bytes.add(random.one(of: [2, 2, 2, 4, 3], else: 2) as UInt32)
            bytes.add(UInt32(random.below(6)))
            return ModelCall(ControlWord(.notifyPartitionEvent, fast: !random.oneIn(6)), bytes.bytes)
        case 4:
            bytes.add(random.one(of: [0x3, 0xF, 0xF, 0x15, 0x15, 0x2F, 0x4], else: 0xF) as UInt32)
            bytes.add(random.one(of: [0, 0, 0xD, 0x10, 1], else: 0) as UInt32)
            return ModelCall(ControlWord(.getSystemProperty), bytes.bytes, outputCount: 8)
        case 5:
            bytes.add(random.one(of: [0x3, 0x3, 0x3, 0xF, 0x2F, 0x4], else: 0x3) as UInt32)
            bytes.add(0 as UInt32)
            bytes.add(UInt32(random.below(random.oneIn(4) ? 8 : 5)))
            bytes.add(UInt32(random.below(0x10000)))
            while bytes.bytes.count < 72 { bytes.add(0 as UInt64) }
            return ModelCall(ControlWord(.setSystemProperty), bytes.bytes)
        case 6..<10: return mmio(model)
        case 10..<12: return isolated(model)
        default: return statistics(model)
        }
    }

    private mutating func mmio(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        let isWrite = random.oneIn(2)
        let offset = random.oneIn(2) ? 4040 + random.below(56 as UInt64) : random.below(4096 as UInt64)
        bytes.add(rootPage(model) &* 4096 &+ offset)
        bytes.add(UInt32(random.oneIn(20) ? random.below(100) : 1 + random.below(64)))
        bytes.add(0 as UInt32)
        for _ in 0..<(isWrite ? 8 : 0) { bytes.add(random.next()) }
        return ModelCall(ControlWord(isWrite ? .mmioWrite : .mmioRead), bytes.bytes, outputCount: isWrite ? 0 : 64)
    }

    private mutating func isolated(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        switch random.below(3) {
        case 0:
            bytes.add(0 as UInt64)
            let count = repetitions(most: 500)
            for _ in 0..<count { bytes.add(guestPage(aligned: false)) }
            return ModelCall(repeated(.importIsolatedPages, count), bytes.bytes)
        case 1:
            bytes.add(0 as UInt64)
            bytes.add(0 as UInt64)
            return ModelCall(ControlWord(.issueSnpPspGuestRequest), bytes.bytes)
        default:
            bytes.bytes += [UInt8](repeating: 0, count: 3334)
            return ModelCall(ControlWord(.completeIsolatedImport), bytes.bytes)
        }
    }

    private mutating func statistics(_ model: Model) -> ModelCall {
        let mapped = model.statisticsPages.keys.sorted {
            ([UInt64($0.kind)] + $0.words).lexicographicallyPrecedes([UInt64($1.kind)] + $1.words)
        }
        if !mapped.isEmpty, random.oneIn(4) {
            let name = mapped[random.below(mapped.count)]
            var bytes = Bytes()
            bytes.add(name.kind)
            bytes.add(0 as UInt32)
            for word in name.words { bytes.add(word) }
            return ModelCall(ControlWord(.unmapStatsPage), bytes.bytes)
        }
        var bytes = Bytes()
        let kind = random.one(of: [1, 2, 0x1_0001, 0x1_0001, 0x1_0002, 0x1_0002, 0x1_0003], else: 1) as UInt32
        bytes.add(kind)
        bytes.add(0 as UInt32)
        switch kind {
        case 2: bytes.add(UInt64(random.oneIn(8) ? 0xFFFF : 0))
        case 0x1_0001, 0x1_0002: bytes.add(partition(model))
        default: bytes.add(0 as UInt64)
        }
        bytes.add(kind == 0x1_0002 ? index() : 0)
        bytes.add(UInt16(random.oneIn(30) ? 1 : 0))
        bytes.add(0 as UInt8)
        bytes.add(UInt8(random.oneIn(12) ? random.below(4) : 0))
        switch random.below(4) {
        case 0: return ModelCall(ControlWord(.mapStatsPage), bytes.bytes, outputCount: 8)
        case 1:
            let pages = model.configuration.statisticsPages
            let deposited = random.oneIn(12) ? model.rootDeposited.sorted() : []
            bytes.add(
                random.oneIn(12)
                    ? 0
                    : !deposited.isEmpty
                        ? random.one(of: deposited, else: 0) : pages.lowerBound + random.below(UInt64(pages.count)))
            return ModelCall(ControlWord(.mapStatsPage2), bytes.bytes)
        default: return ModelCall(ControlWord(.unmapStatsPage), bytes.bytes)
        }
    }
}
