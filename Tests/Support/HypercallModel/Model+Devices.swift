import HypercallABI
import HypercallCore

/// Devices that partitions have, and the domains that say what devices reach.
extension Model {
    static let deviceForms: [UInt16: ModelForm] = [
        CallCode.attachDevice.rawValue: ModelForm(input: 40),
        CallCode.detachDevice.rawValue: ModelForm(input: 16),
        CallCode.getIommuCapabilities.rawValue: ModelForm(input: 16, output: 24),
        CallCode.getLogicalDeviceProperty.rawValue: ModelForm(input: 24, output: 16),
        CallCode.createDeviceDomain.rawValue: ModelForm(input: 28),
        CallCode.deleteDeviceDomain.rawValue: ModelForm(input: 24),
        CallCode.attachDeviceDomain.rawValue: ModelForm(input: 32),
        CallCode.detachDeviceDomain.rawValue: ModelForm(input: 16),
        CallCode.mapDeviceGpaPages.rawValue: ModelForm(input: 40, repetition: (8, 0)),
        CallCode.unmapDeviceGpaPages.rawValue: ModelForm(input: 32, repetition: (0, 0)),
    ]

    struct Device {
        var owner = Model.own
        /// What the owner calls it.
        var name: UInt64
        var domain: UInt32 = 0
    }

    /// Which page of the root is at a page of the device's address, and whether devices may write it.
    struct DomainPage: Equatable {
        var source: UInt64
        var isWritable: Bool
    }

    /// Domain 0 is every owner's own memory, the last one nothing: both are always there.
    private static let noDomain = UInt32.max

    mutating func deviceCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .attachDevice: return attach(call)
        case .detachDevice: return detach(call)
        case .getIommuCapabilities:
            var wrong = ownerIsWrong(call.word64(0))
            if call.word64(8) != 0 { wrong.insert(.invalidParameter) }
            if !wrong.isEmpty { return .refused(wrong) }
            // 24 bytes; addresses of 48 bits; present, with second-stage translation; pages of 4 KiB.
            return .success(Self.bytes(24 | 48 << 48) + Self.bytes(3) + Self.bytes(4096))
        case .getLogicalDeviceProperty: return deviceProperty(call)
        case .createDeviceDomain: return createDomain(call)
        case .deleteDeviceDomain: return deleteDomain(call)
        case .attachDeviceDomain: return attachDomain(call)
        case .detachDeviceDomain: return detachDomain(call)
        case .mapDeviceGpaPages: return mapDomain(call)
        case .unmapDeviceGpaPages: return unmapDomain(call)
        default: return nil
        }
    }

    /// The physical name of what an owner calls so; the root calls everything by that.
    func device(_ owner: UInt64, _ name: UInt64) -> UInt64? {
        devices.first { $0.value.owner == owner && $0.value.name == name }?.key
    }

    func hasInterrupts(_ owner: UInt64, _ name: UInt64) -> Bool {
        interrupts.contains { $0.owner == owner && $0.device == name }
    }

    // MARK: Attaching

    private mutating func attach(_ call: ModelCall) -> Expectation {
        let owner = call.word64(0)
        let physical = call.word64(8)
        let flags = call.word32(16)
        let name = flags & 1 == 1 ? call.word64(24) : physical
        var wrong = owner == Self.own ? [.invalidPartitionId] : ownerIsWrong(owner)
        if flags & ~0xFD != 0 || call.word32(20) != 0 || call.word32(32) > 0xFFF { wrong.insert(.invalidParameter) }
        if call.byte(38) != 0 || call.byte(39) != 0 { wrong.insert(.invalidParameter) }
        // A logical name has zeros in its two highest bits; without the flag there is none.
        if flags & 1 == 1 ? name >> 62 != 0 : call.word64(24) != 0 { wrong.insert(.invalidParameter) }
        if let device = devices[physical], physical >> 62 == 1 {
            if device.owner != Self.own || device.domain != 0 || hasInterrupts(Self.own, physical) {
                wrong.insert(.invalidDeviceState)
            }
        } else {
            wrong.insert(.invalidDeviceId)
        }
        if device(owner, name) != nil { wrong.insert(.keyAlreadyExists) }
        if freePages(of: owner) < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        devices[physical] = Device(owner: owner, name: name)
        use(1, of: owner)
        return .success()
    }

    private mutating func detach(_ call: ModelCall) -> Expectation {
        let owner = call.word64(0)
        var wrong = owner == Self.own ? [.invalidPartitionId] : ownerIsWrong(owner)
        let physical = device(owner, call.word64(8))
        if let physical {
            if devices[physical]?.domain != 0 || hasInterrupts(owner, call.word64(8)) {
                wrong.insert(.invalidDeviceState)
            }
        } else {
            wrong.insert(.invalidDeviceId)
        }
        guard wrong.isEmpty, let physical else { return .refused(wrong) }
        devices[physical] = Device(name: physical)
        use(-1, of: owner)
        return .success()
    }

    private func deviceProperty(_ call: ModelCall) -> Expectation {
        var wrong = ownerIsWrong(call.word64(0))
        if call.word32(20) != 0 { wrong.insert(.invalidParameter) }
        if device(call.word64(0), call.word64(8)) == nil { wrong.insert(.invalidDeviceId) }
        if call.word32(16) != 10 { wrong.insert(.unknownProperty) }
        return wrong.isEmpty ? .success(Self.bytes(1) + Self.bytes(0)) : .refused(wrong)
    }

    /// When a partition ends, its devices are the root's again, and its domains are gone.
    mutating func forgetDevices(of id: UInt64) {
        interrupts.removeAll { $0.owner == id }
        for (physical, device) in devices where device.owner == id { devices[physical] = Device(name: physical) }
        for (name, domain) in domains where name.owner == id {
            for page in domain.values { unmapRoot(page.source) }
            domains[name] = nil
        }
    }

    // MARK: Domains

    /// What is wrong with the name of a domain.
    private func domainIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        var wrong = ownerIsWrong(call.word64(0))
        if Self.isLevelWrong(call.byte(8)) { wrong.insert(.invalidParameter) }
        for offset in 9..<16 where call.byte(offset) != 0 { wrong.insert(.invalidParameter) }
        switch call.word32(16) {
        case 0: break
        case 1, 2: wrong.insert(.featureUnavailable)
        default: wrong.insert(.invalidParameter)
        }
        return wrong
    }

    private static func domainName(_ call: ModelCall) -> Name { Name(owner: call.word64(0), number: call.word32(20)) }

    private static func isFixed(_ number: UInt32) -> Bool { number == 0 || number == noDomain }

    private mutating func createDomain(_ call: ModelCall) -> Expectation {
        let name = Self.domainName(call)
        var wrong = domainIsWrong(call)
        if call.word32(24) > 3 { wrong.insert(.invalidParameter) }
        if Self.isFixed(name.number) || domains[name] != nil { wrong.insert(.keyAlreadyExists) }
        if freePages(of: name.owner) < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        domains[name] = [:]
        use(1, of: name.owner)
        return .success()
    }

    private func domainIsAbsent(_ name: Name) -> Set<HypercallStatus> {
        if Self.isFixed(name.number) { return [.operationDenied] }
        return domains[name] == nil ? [.notFound] : []
    }

    private mutating func deleteDomain(_ call: ModelCall) -> Expectation {
        let name = Self.domainName(call)
        var wrong = domainIsWrong(call).union(domainIsAbsent(name))
        if devices.values.contains(where: { $0.owner == name.owner && $0.domain == name.number }) {
            wrong.insert(.objectInUse)
        }
        guard wrong.isEmpty, let domain = domains[name] else { return .refused(wrong) }
        for page in domain.values { unmapRoot(page.source) }
        domains[name] = nil
        use(-1 - Self.tables(domain), of: name.owner)
        return .success()
    }

    private mutating func attachDomain(_ call: ModelCall) -> Expectation {
        let name = Self.domainName(call)
        var wrong = domainIsWrong(call)
        if !Self.isFixed(name.number), domains[name] == nil { wrong.insert(.notFound) }
        let physical = device(name.owner, call.word64(24))
        if physical == nil { wrong.insert(.invalidDeviceId) }
        if name.number == 0 { wrong.insert(.deviceAlreadyInDomain) }
        if let physical, devices[physical]?.domain != 0 { wrong.insert(.deviceAlreadyInDomain) }
        guard wrong.isEmpty, let physical else { return .refused(wrong) }
        devices[physical]?.domain = name.number
        return .success()
    }

    private mutating func detachDomain(_ call: ModelCall) -> Expectation {
        var wrong = ownerIsWrong(call.word64(0))
        let physical = device(call.word64(0), call.word64(8))
        if physical == nil { wrong.insert(.invalidDeviceId) }
        if let physical, devices[physical]?.domain == 0 { wrong.insert(.invalidDeviceState) }
        guard wrong.isEmpty, let physical else { return .refused(wrong) }
        devices[physical]?.domain = 0
        return .success()
    }

    // MARK: What is in domains

    /// One for each 2 MiB in which there is anything.
    private static func tables(_ domain: [UInt64: DomainPage]) -> Int { Set(domain.keys.map { $0 / 512 }).count }

    /// The first of the pages that are still to do; nil where it is none, or they go beyond 48 bits.
    private static func firstPage(_ call: ModelCall, at offset: Int) -> UInt64? {
        let address = call.word64(offset)
        guard address % 4096 == 0, address / 4096 + UInt64(call.control.repCount) <= 1 << 36 else { return nil }
        return address / 4096
    }

    private mutating func mapDomain(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let name = Self.domainName(call)
        let flags = call.word32(28)
        var wrong = domainIsWrong(call).union(domainIsAbsent(name))
        if Self.isLevelWrong(call.byte(24)) { wrong.insert(.invalidParameter) }
        for offset in 25..<28 where call.byte(offset) != 0 { wrong.insert(.invalidParameter) }
        if flags != 1, flags != 3 { wrong.insert(.invalidParameter) }
        let first = Self.firstPage(call, at: 32)
        if first == nil { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let first, var domain = domains[name] else { return .refused(wrong, start: start) }
        defer { domains[name] = domain }
        var tables = Set(domain.keys.map { $0 / 512 })
        for index in start..<call.control.repCount {
            let place = first + UInt64(index)
            var source: UInt64? = call.word64(40 + 8 * index)
            if name.owner != Self.own {
                let guest = partitions[name.owner]?.guest[source ?? 0]
                let isRight = flags == 3 ? guest?.isWritable : guest?.isReadable
                source = isRight == true ? guest?.source : nil
            }
            var stopped: Set<HypercallStatus> = []
            if domain[place] != nil { stopped.insert(.objectInUse) }
            if let source {
                if !isRootMemory(source) { stopped.insert(.invalidParameter) }
                if root[source] == .deposited { stopped.insert(.operationDenied) }
            } else {
                stopped.insert(.invalidParameter)
            }
            let needsTable = !tables.contains(place / 512)
            if needsTable, freePages(of: name.owner) < 1 { stopped.insert(.insufficientMemory) }
            guard stopped.isEmpty, let source else { return .refused(stopped, start: index) }
            mapRoot(source)
            domain[place] = DomainPage(source: source, isWritable: flags == 3)
            if needsTable { use(1, of: name.owner) }
            tables.insert(place / 512)
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    private mutating func unmapDomain(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let name = Self.domainName(call)
        var wrong = domainIsWrong(call).union(domainIsAbsent(name))
        let first = Self.firstPage(call, at: 24)
        if first == nil { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let first, var domain = domains[name] else { return .refused(wrong, start: start) }
        let before = Self.tables(domain)
        for index in start..<call.control.repCount {
            if let page = domain.removeValue(forKey: first + UInt64(index)) { unmapRoot(page.source) }
        }
        domains[name] = domain
        use(Self.tables(domain) - before, of: name.owner)
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    /// The root's page that a device reaches.
    func reached(_ physical: UInt64, _ page: UInt64, isWrite: Bool) -> UInt64? {
        guard let device = devices[physical] else { return nil }
        if device.domain == Self.noDomain { return nil }
        if device.domain != 0 {
            let found = domains[Name(owner: device.owner, number: device.domain)]?[page]
            return found.flatMap { isWrite && !$0.isWritable ? nil : $0.source }
        }
        if device.owner == Self.own { return isRootMemory(page) && root[page] != .deposited ? page : nil }
        guard let guest = partitions[device.owner]?.guest[page] else { return nil }
        return (isWrite ? guest.isWritable : guest.isReadable) ? guest.source : nil
    }
}
