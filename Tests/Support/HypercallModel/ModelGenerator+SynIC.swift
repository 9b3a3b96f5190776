import HypercallABI
import HypercallCore

extension ModelGenerator {
    /// Few numbers, so that they meet.
    private mutating func number() -> UInt32 {
        random.oneIn(40) ? random.one(of: [0, 1 << 24, .max], else: 0) : 1 + UInt32(random.below(8))
    }

    private mutating func sint() -> UInt32 { random.oneIn(30) ? 16 : UInt32(random.below(4)) }

    /// A processor and a SINT, mostly one that takes what comes.
    private mutating func place(_ model: Model, page: UInt32) -> (partition: UInt64, processor: UInt32, sint: UInt32) {
        var found = (partition(model), index(), sint())
        for _ in 0..<8 where model.slot(found.0, found.1, found.2, page: page) == nil {
            found = (partition(model), index(), sint())
        }
        return found
    }

    mutating func owner(_ model: Model, isRoot chance: Int) -> UInt64 {
        random.oneIn(chance) ? Model.own : partition(model)
    }

    mutating func synICCall(_ model: Model) -> ModelCall {
        switch random.below(44) {
        case 0..<6: return switchOn(model)
        case 6..<11: return createPort(model)
        case 11..<16: return connect(model)
        case 16: return end(.deletePort, model)
        case 17: return end(.disconnectPort, model)
        case 18:
            var bytes = Bytes()
            bytes.add(sint())
            bytes.add(0 as UInt32)
            return ModelCall(ControlWord(.notifyPortRingEmpty, fast: true), bytes.bytes)
        case 19..<29: return post(model)
        case 29..<34: return signal(model)
        case 34..<40: return postDirect(model)
        default: return signalDirect(model)
        }
    }

    /// A guest page that can be written, if one is soon found.
    private mutating func writablePage(_ partition: Model.Partition?) -> UInt64 {
        let first = random.below(3000 as UInt64)
        return (first..<(first + 200)).first { partition?.guest[$0]?.isWritable == true } ?? first
    }

    /// Sets up a SynIC, or ends what a message waits for.
    private mutating func switchOn(_ model: Model) -> ModelCall {
        let id = partition(model)
        let page = writablePage(model.partitions[id])
        var registers: [(UInt32, UInt64)] = [(0xA0014, 0)]
        if !random.oneIn(3) {
            registers += [(0xA0010, random.oneIn(10) ? 0 : 1)]
            registers += [(0xA0012, page << 12 | 1), (0xA0013, writablePage(model.partitions[id]) << 12 | 1)]
            for sint in 0..<4 as Range<UInt32> {
                registers.append((0xA0000 + sint, sintValue()))
            }
        }
        var bytes = Bytes()
        bytes.add(id)
        bytes.add(index())
        bytes.add(0 as UInt32)
        for (name, value) in registers {
            bytes.add(name)
            bytes.add(0 as UInt32)
            bytes.add(0 as UInt64)
            bytes.add(value)
            bytes.add(0 as UInt64)
        }
        return ModelCall(ControlWord(.setVpRegisters, repCount: registers.count), bytes.bytes)
    }

    private mutating func createPort(_ model: Model, type wanted: UInt32? = nil) -> ModelCall {
        var bytes = Bytes()
        let type = wanted ?? UInt32(random.oneIn(12) ? 3 : random.one(of: [1, 1, 2, 2, 4], else: 1))
        let isOfRoot = type == 4 && !random.oneIn(8) || random.oneIn(12)
        let place = place(model, page: type == 1 ? 0xA0013 : 0xA0012)
        bytes.add(isOfRoot ? Model.own : place.partition)
        bytes.add(number())
        bytes.add(0 as UInt32)
        bytes.add(type == 4 || random.oneIn(4) ? partition(model) : Model.own)
        bytes.add(type)
        bytes.add(0 as UInt32)
        bytes.add(place.sint)
        bytes.add(type == 4 && !random.oneIn(8) ? 0 : random.oneIn(4) ? .max : place.processor)
        if type == 2 {
            bytes.add(UInt16(random.below(random.oneIn(10) ? 3000 : 2000)))
            bytes.add(UInt16(random.below(50)))
            bytes.add(0 as UInt32)
        } else {
            bytes.add(0 as UInt64)
        }
        bytes.add(random.oneIn(20) ? random.next() : 0)
        return ModelCall(ControlWord(.createPort), bytes.bytes)
    }

    /// Mostly to a port that is there, and has none.
    private mutating func connect(_ model: Model) -> ModelCall {
        let connected = Set(model.connections.values.map(\.port))
        let names = model.ports.keys.filter { !connected.contains($0) }
            .sorted { ($0.owner, $0.number) < ($1.owner, $1.number) }
        let name = random.one(of: names, else: Model.Name(owner: partition(model), number: 1))
        let port = model.ports[name]
        let isWrong = random.oneIn(10)
        var bytes = Bytes()
        bytes.add(isWrong ? owner(model, isRoot: 3) : port?.peer ?? Model.own)
        bytes.add(number())
        bytes.add(0 as UInt32)
        bytes.add(name.owner)
        bytes.add(name.number)
        bytes.add(0 as UInt32)
        let type = isWrong ? UInt32(1 + random.below(4)) : port?.type ?? 1
        bytes.add(type)
        bytes.add(0 as UInt32)
        let owner = port?.peer ?? Model.own
        let doorbells = model.connections.filter { $0.key.owner == owner && $0.value.type == 4 }
            .sorted { $0.key.number < $1.key.number }.map(\.value.doorbell)
        if type == 4, !doorbells.isEmpty, random.oneIn(4) {
            for word in doorbells[random.below(doorbells.count)] { bytes.add(word) }
        } else if type == 4 {
            bytes.add(random.oneIn(10) ? random.next() : 0x1000 * random.below(2 as UInt64))
            let size = random.below(random.oneIn(20) ? 8 : 5 as UInt64)
            let isAny = !random.oneIn(4)
            bytes.add(random.one(of: [0, 0, 0, 0, 1, 0x100, 0xFFFF, 0x1_0000, 1 << 32], else: 0) as UInt64)
            bytes.add(size | (isAny ? 0x8000_0000 : 0))
        } else {
            for _ in 0..<3 { bytes.add(0 as UInt64) }
        }
        bytes.add(random.oneIn(20) ? random.next() : 0)
        return ModelCall(ControlWord(.connectPort), bytes.bytes)
    }

    private mutating func end(_ code: CallCode, _ model: Model) -> ModelCall {
        var bytes = Bytes()
        let names = (code == .deletePort ? Array(model.ports.keys) : Array(model.connections.keys))
            .sorted { ($0.owner, $0.number) < ($1.owner, $1.number) }
        let name = random.one(of: names, else: Model.Name(owner: owner(model, isRoot: 2), number: number()))
        bytes.add(name.owner)
        bytes.add(name.number)
        let isDoorbell = code == .disconnectPort && model.connections[name]?.type == 4
        bytes.add(UInt32(isDoorbell != random.oneIn(10) ? 1 : 0))
        return ModelCall(ControlWord(code, fast: !random.oneIn(6)), bytes.bytes)
    }

    /// The connections of the root that lead to a processor that takes what comes.
    private func usableConnections(_ model: Model, type: UInt32) -> [UInt32] {
        model.connections.filter { name, connection in
            guard name.owner == Model.own, connection.type == type, connection.isAlive,
                let port = model.ports[connection.port]
            else { return false }
            let page: UInt32 = type == 1 ? 0xA0013 : 0xA0012
            return model.anySlot(connection.port.owner, port.processor, port.sint, page: page) != nil
        }
        .map(\.key.number).sorted()
    }

    /// A connection of the root, and mostly one that can be used. The first of them comes more often, so that messages
    /// have to wait.
    private mutating func connection(_ model: Model, type: UInt32) -> UInt32 {
        if random.oneIn(20) { return number() }
        var numbers = usableConnections(model, type: type)
        if numbers.isEmpty || random.oneIn(6) {
            numbers = model.connections.filter { $0.key.owner == Model.own && $0.value.type == type }
                .map(\.key.number).sorted()
        }
        return random.oneIn(3) ? random.one(of: numbers, else: number()) : numbers.first ?? number()
    }

    /// Mostly, what is missing before anything can be sent.
    private mutating func preparation(_ model: Model, type: UInt32) -> ModelCall? {
        guard !random.oneIn(4), usableConnections(model, type: type).isEmpty else { return nil }
        switch random.below(3) {
        case 0: return switchOn(model)
        case 1: return createPort(model, type: type)
        default: return connect(model)
        }
    }

    private mutating func post(_ model: Model) -> ModelCall {
        if let call = preparation(model, type: 1) { return call }
        var bytes = Bytes()
        bytes.add(connection(model, type: 1))
        bytes.add(0 as UInt32)
        let types: [UInt32] = random.oneIn(10) ? [0, 0x8000_0000] : [1, 2, 0x7FFF_FFFF]
        bytes.add(random.one(of: types, else: 1))
        bytes.add(UInt32(random.below(random.oneIn(10) ? 260 : 241)))
        for _ in 0..<30 { bytes.add(random.next()) }
        return ModelCall(ControlWord(.postMessage), bytes.bytes)
    }

    private mutating func signal(_ model: Model) -> ModelCall {
        if let call = preparation(model, type: 2) { return call }
        var bytes = Bytes()
        bytes.add(connection(model, type: 2))
        bytes.add(UInt32(random.below(random.oneIn(10) ? 0x10001 : 8)))
        return ModelCall(ControlWord(.signalEvent), bytes.bytes)
    }

    private mutating func postDirect(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        let (id, processor, sint) = place(model, page: 0xA0013)
        bytes.add(id)
        bytes.add(processor)
        bytes.add(UInt32(random.oneIn(30) ? random.below(4) : 0))
        bytes.add(sint)
        bytes.add(random.one(of: [1, 0x8000_0001, 0x8000_0000, 2, 0], else: 1) as UInt32)
        bytes.add(UInt8(random.below(random.oneIn(20) ? 256 : 241)))
        bytes.add(UInt8(random.below(random.oneIn(20) ? 4 : 2)))
        bytes.add(0 as UInt16)
        for _ in 0..<31 { bytes.add(random.next()) }
        bytes.add(0 as UInt32)
        return ModelCall(ControlWord(.postMessageDirect), bytes.bytes)
    }

    private mutating func signalDirect(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        let (id, processor, sint) = place(model, page: 0xA0012)
        bytes.add(id)
        bytes.add(processor)
        bytes.add(UInt8(random.oneIn(30) ? random.below(4) : 0))
        bytes.add(UInt8(sint))
        bytes.add(UInt16(random.below(random.oneIn(20) ? 2100 : 20)))
        return ModelCall(ControlWord(.signalEventDirect), bytes.bytes, outputCount: 8)
    }
}
