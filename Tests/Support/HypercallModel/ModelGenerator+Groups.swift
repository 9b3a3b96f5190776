import HypercallABI
import HypercallCore

extension ModelGenerator {
    // MARK: Partitions

    mutating func create() -> ModelCall {
        var bytes = Bytes()
        bytes.add(random.oneIn(3) ? 0x2000 : 0 as UInt64)
        bytes.add(random.oneIn(9) ? 0x8000_0001_0000_0003 : 0 as UInt64)
        bytes.add(random.oneIn(5) ? 0x600 : 0x609 as UInt32)
        bytes.add(0 as UInt32)
        for _ in 0..<3 { bytes.add(random.oneIn(4) ? random.next() : 0) }
        bytes.add(random.oneIn(30) ? random.one(of: [1, 2, 0x21, 1 << 12], else: 1) : 0 as UInt64)
        return ModelCall(ControlWord(.createPartition), bytes.bytes, outputCount: 8)
    }

    /// What brings a partition further in its life: else most would never have a processor.
    mutating func nextStep(_ model: Model) -> ModelCall? {
        let id = partition(model)
        guard let partition = model.partitions[id] else { return nil }
        let isScarce = model.configuration.emphasis == .scarcity
        var bytes = Bytes()
        bytes.add(id)
        switch partition.life {
        case .created where partition.deposited.count < 200, .active where partition.free < (isScarce ? 1 : 100):
            var page = rootPage(model)
            let count = 1 + random.below(isScarce && partition.life == .active ? 3 : 400)
            for _ in 0..<count {
                bytes.add(page)
                page &+= 1
            }
            return ModelCall(ControlWord(.depositMemory, repCount: count), bytes.bytes)
        case .created: return ModelCall(ControlWord(.initializePartition, fast: true), bytes.bytes)
        case .active:
            let free = (0..<model.configuration.vpCount).first {
                partition.processors[$0] == nil && !partition.deletedProcessors.contains($0)
            }
            if let free {
                bytes.add(free)
                while bytes.bytes.count < 40 { bytes.add(0 as UInt32) }
                return ModelCall(ControlWord(.createVp), bytes.bytes)
            }
            guard partition.properties[Model.accessTracking] ?? 0 == 0 else { return nil }
            bytes.add(UInt64(Model.accessTracking))
            bytes.add(1 as UInt64)
            return ModelCall(ControlWord(.setPartitionProperty), bytes.bytes)
        case .finalized:
            if partition.deposited.isEmpty {
                return ModelCall(ControlWord(.deletePartition, fast: true), bytes.bytes)
            }
            bytes.add(0 as UInt64)
            return ModelCall(ControlWord(.withdrawMemory, repCount: 512), bytes.bytes, outputCount: 4096)
        }
    }

    mutating func partitionCall(_ model: Model) -> ModelCall {
        let id = partition(model)
        var bytes = Bytes()
        bytes.add(id)
        switch random.below(34) {
        case 0..<2:
            if model.partitions.count < model.configuration.partitionLimit { return create() }
            return ModelCall(ControlWord(.finalizePartition, fast: true), bytes.bytes)
        case 2..<6: return ModelCall(ControlWord(.initializePartition, fast: !random.oneIn(6)), bytes.bytes)
        case 6 where random.oneIn(2):
            return ModelCall(ControlWord(.finalizePartition, fast: !random.oneIn(6)), bytes.bytes)
        case 6..<9: return ModelCall(ControlWord(.deletePartition, fast: !random.oneIn(6)), bytes.bytes)
        default: return propertyCall(model)
        }
    }

    // MARK: Memory

    mutating func memoryCall(_ model: Model) -> ModelCall {
        switch random.below(36) {
        case 0..<8: return deposit(model)
        case 8..<11: return withdraw(model)
        case 11..<26: return map(model)
        default: return unmap(model)
        }
    }

    private mutating func deposit(_ model: Model) -> ModelCall {
        let id = random.oneIn(12) ? Model.own : partition(model)
        // A partition lives by its deposits: mostly what it needs at once.
        let count = random.oneIn(3) ? 100 + random.below(200) : repetitions(most: 511)
        var bytes = Bytes()
        bytes.add(id)
        var page = rootPage(model)
        for _ in 0..<count {
            bytes.add(page)
            page = random.oneIn(100) ? rootPage(model) : page &+ 1
        }
        return ModelCall(repeated(.depositMemory, count), bytes.bytes)
    }

    private mutating func withdraw(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(random.oneIn(8) ? Model.own : partition(model))
        bytes.add(random.oneIn(20) ? random.next() : 0)
        let count = random.oneIn(2) ? 512 : repetitions(most: 512)
        return ModelCall(repeated(.withdrawMemory, count), bytes.bytes, outputCount: 8 * count)
    }

    /// Guest pages close together, so that ranges meet.
    mutating func guestPage(aligned: Bool) -> UInt64 {
        if random.oneIn(80) {
            return random.one(of: [(1 << 40) - 1, (1 << 40) - 512, 1 << 40, .max, .max - 511], else: 0)
        }
        return aligned ? 512 * random.below(UInt64(6)) : random.below(UInt64(3000))
    }

    private mutating func map(_ model: Model) -> ModelCall {
        let isLarge = random.oneIn(12)
        var flags: UInt32 = random.one(of: [0x1, 0x1, 0x3, 0xF, 0xF, 0x7, 0, 0x2, 0x8, 0x1_0000, 0x20_0003], else: 0x1)
        if isLarge { flags |= 0x8000_0000 }
        if random.oneIn(40) { flags ^= 1 << UInt32(random.below(32)) }
        let count = isLarge ? 1 + random.below(2) : repetitions(most: 509)
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(guestPage(aligned: isLarge && !random.oneIn(20)))
        bytes.add(flags)
        bytes.add(UInt32(truncatingIfNeeded: random.next()))
        var page = rootPage(model)
        if isLarge, !random.oneIn(20) { page = page / 512 * 512 }
        for _ in 0..<count {
            bytes.add(page)
            page = random.oneIn(50) ? rootPage(model) : page &+ (isLarge ? 512 : 1)
        }
        return ModelCall(repeated(.mapGpaPages, count), bytes.bytes)
    }

    private mutating func unmap(_ model: Model) -> ModelCall {
        let isLarge = random.oneIn(6)
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(guestPage(aligned: isLarge && !random.oneIn(20)))
        bytes.add(isLarge ? 2 : 0 as UInt32)
        bytes.add(UInt32(truncatingIfNeeded: random.next()))
        let count = isLarge ? 1 + random.below(6) : repetitions(most: random.oneIn(10) ? 4095 : 600)
        return ModelCall(repeated(.unmapGpaPages, count), bytes.bytes)
    }

    // MARK: Access to guest memory

    mutating func guestAccessCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        switch random.below(10) {
        case 0..<3:
            bytes.add(partition(model))
            bytes.add(random.one(of: [0, 4, 4, 8, 1, 2, 3, 12, 16], else: 0) as UInt64)
            bytes.add(guestPage(aligned: false))
            let count = repetitions(most: 4000)
            return ModelCall(repeated(.getGpaPagesAccessStates, count), bytes.bytes, outputCount: count)
        case 3..<8:
            let isWrite = random.oneIn(2)
            bytes.add(partition(model))
            bytes.add(index())
            bytes.add(random.oneIn(20) ? UInt32(random.below(20)) : UInt32(1 + random.below(16)))
            // Near the ends of pages now and then.
            let offset = random.oneIn(2) ? 4080 + random.below(16 as UInt64) : random.below(4096 as UInt64)
            bytes.add(guestPage(aligned: false) &* 4096 &+ offset)
            bytes.add(random.oneIn(20) ? 0x100 : random.below(256 as UInt64))
            if isWrite {
                bytes.add(random.next())
                bytes.add(random.next())
            }
            return ModelCall(ControlWord(isWrite ? .writeGpa : .readGpa), bytes.bytes, outputCount: isWrite ? 8 : 24)
        default:
            bytes.add(random.oneIn(20) ? 4 : UInt32(random.below(4)))
            let flags: UInt32 = random.one(of: [0, 1, 2, 4, 5, 8, 3, 12, 16], else: 0)
            bytes.add(flags)
            bytes.add(partition(model))
            let count = repetitions(most: 500)
            for _ in 0..<count {
                let page = rootPage(model)
                bytes.add(flags & 4 != 0 && !random.oneIn(12) ? page / 512 * 512 : page)
            }
            let code: CallCode = random.oneIn(3) ? .releaseSparseSpaPageHostAccess : .acquireSparseSpaPageHostAccess
            return ModelCall(repeated(code, count), bytes.bytes)
        }
    }

    // MARK: Questions

    /// Calls that read all there is of a partition and change nothing.
    static func questions(_ id: UInt64, _ partition: Model.Partition) -> [ModelCall] {
        var calls = propertyQuestions(id)
        let names = registerNames
        for index in partition.processors.keys.sorted() {
            var bytes = Bytes()
            bytes.add(id)
            bytes.add(index)
            bytes.add(0 as UInt32)
            for name in names { bytes.add(name) }
            calls.append(
                ModelCall(
                    ControlWord(.getVpRegisters, repCount: names.count), bytes.bytes, outputCount: 16 * names.count))
            var timers = Bytes()
            timers.add(id)
            timers.add(index)
            for word in [0, 4, 0, 0, 0, 0, 0] as [UInt32] { timers.add(word) }
            calls.append(ModelCall(ControlWord(.getVpState), timers.bytes, outputCount: 200))
        }
        return calls
    }
}
