import HypercallABI
import HypercallCore

extension ModelGenerator {
    private mutating func physical() -> UInt64 {
        random.oneIn(30)
            ? random.one(of: [0, 1 << 62, 3 << 62, .max], else: 0) : random.one(of: Model.machineDevices, else: 0)
    }

    /// A device that somebody has, as that one calls it.
    private mutating func known(_ model: Model) -> (owner: UInt64, name: UInt64) {
        let device = model.devices[random.one(of: Model.machineDevices, else: 0)]
        if random.oneIn(12) { return (owner(model, isRoot: 3), physical()) }
        return (device?.owner ?? Model.own, device?.name ?? 0)
    }

    private mutating func domain(_ model: Model, _ bytes: inout Bytes, owner id: UInt64? = nil) {
        let names = model.domains.keys.filter { id == nil || $0.owner == id }
            .sorted { ($0.owner, $0.number) < ($1.owner, $1.number) }
        let any = Model.Name(
            owner: id ?? owner(model, isRoot: 3),
            number: random.oneIn(12) ? random.one(of: [0, .max], else: 0) : 1 + UInt32(random.below(4)))
        let name = random.oneIn(4) ? any : random.one(of: names, else: any)
        bytes.add(name.owner)
        bytes.add(UInt64(random.oneIn(30) ? random.below(64) : 0))
        bytes.add(random.oneIn(30) ? UInt32(random.below(20)) : 0)
        bytes.add(name.number)
    }

    mutating func deviceCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        let choice = random.below(40)
        switch choice {
        case 0..<6: return attach(model)
        case 6..<8:
            let device = known(model)
            bytes.add(device.owner)
            bytes.add(device.name)
            return ModelCall(ControlWord(choice == 6 ? .detachDevice : .detachDeviceDomain), bytes.bytes)
        case 8:
            bytes.add(owner(model, isRoot: 3))
            bytes.add(random.oneIn(20) ? 1 : 0 as UInt64)
            return ModelCall(ControlWord(.getIommuCapabilities), bytes.bytes, outputCount: 24)
        case 9:
            let device = known(model)
            bytes.add(device.owner)
            bytes.add(device.name)
            bytes.add(random.oneIn(8) ? UInt64(random.below(20)) : 10)
            return ModelCall(ControlWord(.getLogicalDeviceProperty), bytes.bytes, outputCount: 16)
        case 10..<14:
            domain(model, &bytes)
            bytes.add(UInt32(random.below(random.oneIn(12) ? 8 : 4)))
            return ModelCall(ControlWord(.createDeviceDomain), bytes.bytes)
        case 14:
            domain(model, &bytes)
            return ModelCall(ControlWord(.deleteDeviceDomain), bytes.bytes)
        case 15..<18:
            let device = known(model)
            domain(model, &bytes, owner: random.oneIn(8) ? nil : device.owner)
            bytes.add(device.name)
            return ModelCall(ControlWord(.attachDeviceDomain), bytes.bytes)
        case 18..<25: return mapPages(model)
        case 25..<28:
            domain(model, &bytes)
            bytes.add(deviceAddress())
            return ModelCall(repeated(.unmapDeviceGpaPages, repetitions(most: 1200)), bytes.bytes)
        default: return interruptOfDevice(model)
        }
    }

    private mutating func attach(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(physical())
        let flags = random.oneIn(12) ? UInt32(truncatingIfNeeded: random.next() & 0x1FF) : random.oneIn(3) ? 0 : 1
        bytes.add(flags)
        bytes.add(0 as UInt32)
        bytes.add(flags & 1 == 0 && !random.oneIn(12) ? 0 : UInt64(random.below(3)))
        bytes.add(UInt32(random.below(random.oneIn(12) ? 0x2000 : 0x1000)))
        bytes.add(UInt32(random.below(0x10000)))
        return ModelCall(ControlWord(.attachDevice), bytes.bytes)
    }

    private mutating func deviceAddress() -> UInt64 {
        if random.oneIn(30) { return random.one(of: [(1 << 48) - 4096, 1 << 48, .max, 1, 0x800, .max << 12], else: 0) }
        return 4096 * random.below(1500)
    }

    private mutating func mapPages(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        domain(model, &bytes)
        bytes.add(random.oneIn(30) ? UInt32(random.below(64)) : 0)
        bytes.add(random.one(of: [1, 3, 1, 3, 1, 3, 1, 3, 0, 2, 5], else: 1) as UInt32)
        bytes.add(deviceAddress())
        let count = repetitions(most: 400)
        let isOfRoot = bytes.bytes[..<8].allSatisfy { $0 == 0xFF }
        var page = isOfRoot ? rootPage(model) : guestPage(aligned: false)
        for _ in 0..<count {
            bytes.add(page)
            page &+= 1
        }
        return ModelCall(repeated(.mapDeviceGpaPages, count), bytes.bytes)
    }

    // MARK: Interrupts

    private mutating func interruptOfDevice(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        let choice = random.below(12)
        if choice == 0 {
            bytes.add(partition(model))
            return ModelCall(ControlWord(.clearVirtualInterrupt, fast: !random.oneIn(6)), bytes.bytes)
        }
        if choice < 6 {
            let device = known(model)
            let isIOAPIC = device.name >> 62 == 2
            bytes.add(device.owner)
            bytes.add(device.name)
            bytes.add(0 as UInt64)
            bytes.add(UInt64(random.oneIn(4) ? random.below(3) : 0))
            bytes.add(random.next())
            bytes.add(UInt32(random.below(random.oneIn(20) ? 3 : 2)))
            bytes.add(UInt32(random.below(isIOAPIC || random.oneIn(20) ? 2 : 1)))
            bytes.add(UInt32(random.oneIn(20) ? random.below(3) : 1))
            bytes.add(0 as UInt32)
            let header = target(&bytes)
            return ModelCall(
                ControlWord(.mapDeviceInterrupt, variableHeaderSize: header), bytes.bytes, outputCount: 56)
        }
        let any = known(model)
        let found = model.interrupts.isEmpty ? nil : model.interrupts[random.below(model.interrupts.count)]
        bytes.add(found?.owner ?? any.owner)
        bytes.add(random.oneIn(20) ? any.name : found?.device ?? any.name)
        bytes.add(found?.entry[0] ?? 1)
        bytes.add(random.oneIn(20) ? random.next() : found?.entry[1] ?? 0)
        if choice < 8 {
            bytes.add(random.oneIn(20) ? 1 : 0 as UInt32)
            return ModelCall(ControlWord(.unmapDeviceInterrupt), bytes.bytes)
        }
        bytes.add(0 as UInt64)
        let header = target(&bytes)
        return ModelCall(ControlWord(.retargetInterrupt, variableHeaderSize: header), bytes.bytes)
    }

    /// - Returns: the words of the variable header.
    private mutating func target(_ bytes: inout Bytes) -> Int {
        bytes.add(UInt32(random.oneIn(20) ? random.below(300) : 16 + random.below(12)))
        let isSet = random.oneIn(3)
        bytes.add(UInt32(random.oneIn(20) ? random.below(8) : random.below(2) + (isSet ? 2 : 0)))
        let mask = random.oneIn(12) ? random.next() : random.below(random.oneIn(6) ? 16 : 8)
        guard isSet else {
            bytes.add(mask)
            return 0
        }
        if random.oneIn(2) {
            bytes.add(random.oneIn(10) ? 2 : 1 as UInt64)
            bytes.add(0 as UInt64)
            return random.below(random.oneIn(20) ? 3 : 2)
        }
        bytes.add(0 as UInt64)
        let banks = random.oneIn(12) ? random.next() & 0x7 : 1
        bytes.add(banks)
        for _ in 0..<banks.nonzeroBitCount { bytes.add(mask) }
        return random.oneIn(20) ? random.below(4) : 1 + banks.nonzeroBitCount
    }
}
