import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Device domains.
///
/// The calls check in this order: reserved fields, unknown flags and trust levels above 0, `invalidParameter`; the
/// domain's type, of which there is second-stage translation only: `featureUnavailable` for first-stage and SoC,
/// `invalidParameter` for all others; the partition, `invalidPartitionId` and `invalidPartitionState`; and then:
/// - creating: the default domain, the null domain and one that is there, `keyAlreadyExists`; more than there can be,
///   `insufficientDeviceDomains`; `insufficientMemory`.
/// - deleting, mapping and unmapping: the default and the null domain, `operationDenied`; one that is not there,
///   `notFound`. Deleting one with devices is `objectInUse`; what is mapped in it goes with it.
/// - attaching: a domain that is not there, `notFound`; a device that is not the partition's, `invalidDeviceId`; one
///   that is in any domain but the default one, and the default domain itself, `deviceAlreadyInDomain`.
/// - detaching: the device, `invalidDeviceId`; one that is in the default domain, `invalidDeviceState`.
/// - mapping and unmapping: other flags than for reading and writing, and without reading, an address that is not a
///   page's or with the pages goes beyond 48 bits, `invalidParameter`.
///
/// Mapping ends at the first page that is mapped already, `objectInUse`; that is not root memory, or no memory of its
/// partition that may be accessed so, `invalidParameter`; that is deposited, `operationDenied`; or for which the pool
/// has no page table, `insufficientMemory`: each 2 MiB of device addresses costs one while anything is mapped in them.
/// What is mapped stays mapped when a partition loses the page.
extension EmbeddedCore {
    func createDeviceDomain(_ input: CreateDeviceDomainInput) throws(HypercallStatus) {
        guard CreateDeviceDomainInput.Flags.known.isSuperset(of: input.flags) else {
            throw HypercallStatus.invalidParameter
        }
        let key = try key(input.domain)
        try devices.withLock { table throws(HypercallStatus) in
            guard !Self.isFixed(key), table.domains[key] == nil else { throw HypercallStatus.keyAlreadyExists }
            guard table.domains.count < Limits.deviceDomains else { throw HypercallStatus.insufficientDeviceDomains }
            try use(PageCosts.deviceDomain, of: key.owner)
            table.domains[key] = DeviceDomain()
        }
    }

    func deleteDeviceDomain(_ domain: DeviceDomainName) throws(HypercallStatus) {
        let key = try key(domain)
        try devices.withLock { table throws(HypercallStatus) in
            let domain = try Self.domain(key, in: table)
            guard !table.devices.values.contains(where: { $0.domain == key }) else {
                throw HypercallStatus.objectInUse
            }
            table.domains[key] = nil
            releaseSources(of: domain)
            release(PageCosts.deviceDomain + domain.pages.tables, of: key.owner)
        }
    }

    func attachDeviceDomain(_ input: AttachDeviceDomainInput) throws(HypercallStatus) {
        let key = try key(input.domain)
        try devices.withLock { table throws(HypercallStatus) in
            guard Self.isFixed(key) || table.domains[key] != nil else { throw HypercallStatus.notFound }
            let physical = try table.find(input.device, of: key.owner)
            guard table.devices[physical]?.domain == nil, key.id != DeviceDomainName.standardID else {
                throw HypercallStatus.deviceAlreadyInDomain
            }
            table.devices[physical]?.domain = key
        }
    }

    func detachDeviceDomain(_ input: PartitionDeviceInput) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        try devices.withLock { table throws(HypercallStatus) in
            let physical = try table.find(input.device, of: owner)
            guard table.devices[physical]?.domain != nil else { throw HypercallStatus.invalidDeviceState }
            table.devices[physical]?.domain = nil
        }
    }

    func mapDeviceGPAPages(_ input: MapDeviceGPAPagesInput, pages: [UInt64]) -> RepOutcome {
        do throws(HypercallStatus) {
            try Self.check(input.vtl)
            guard MapGPAFlags([.readable, .writable]).isSuperset(of: input.flags) else {
                throw HypercallStatus.invalidParameter
            }
            let key = try key(input.domain)
            return try devices.withLock { table throws(HypercallStatus) in
                var domain = try Self.domain(key, in: table)
                guard input.flags.contains(.readable) else { throw HypercallStatus.invalidParameter }
                let range = try Self.range(input.address, count: pages.count)
                // Out of the table meanwhile, so that its pages are not copied.
                table.domains[key] = nil
                defer { table.domains[key] = domain }
                for (done, (place, page)) in zip(range, pages).enumerated() {
                    do throws(HypercallStatus) {
                        try map(page, at: place, input.flags, in: &domain, of: key.owner)
                    } catch {
                        return RepOutcome(done, error)
                    }
                }
                return RepOutcome(pages.count, .success)
            }
        } catch {
            return .refused(error)
        }
    }

    func unmapDeviceGPAPages(_ input: UnmapDeviceGPAPagesInput, count: Int) -> RepOutcome {
        do throws(HypercallStatus) {
            let key = try key(input.domain)
            return try devices.withLock { table throws(HypercallStatus) in
                var domain = try Self.domain(key, in: table)
                let range = try Self.range(input.address, count: count)
                table.domains[key] = nil
                let before = domain.pages.tables
                for piece in domain.pages.pieces(in: range) { releaseSource(of: piece) }
                domain.pages.replace(range, with: nil)
                table.domains[key] = domain
                release(before - min(before, domain.pages.tables), of: key.owner)
                return RepOutcome(count, .success)
            }
        } catch {
            return .refused(error)
        }
    }

    /// The end of a partition: of its domains, and of what is in them. Its pool is free already.
    func forgetDomains(of owner: PartitionID, in table: inout DeviceTable) {
        for (key, domain) in table.domains where key.owner == owner {
            releaseSources(of: domain)
            table.domains[key] = nil
        }
    }

    // MARK: Pages

    private func map(
        _ page: UInt64, at place: UInt64, _ flags: MapGPAFlags, in domain: inout DeviceDomain, of owner: PartitionID
    ) throws(HypercallStatus) {
        if domain.pages.extents[place] != nil { throw HypercallStatus.objectInUse }
        let source = try ownedPage(page, of: owner, writing: flags.contains(.writable))
        guard source < 1 << 52 else { throw HypercallStatus.invalidParameter }
        let (count, refusal) = rootMemory.retain(source..<(source + 1))
        guard count == 1 else { throw refusal }
        let before = domain.pages.tables
        domain.pages.replace(place..<(place + 1), with: Backing(source: source, flags: flags))
        guard domain.pages.tables > before else { return }
        do throws(HypercallStatus) {
            try use(domain.pages.tables - before, of: owner)
        } catch {
            domain.pages.replace(place..<(place + 1), with: nil)
            rootMemory.release(source..<(source + 1))
            throw error
        }
    }

    private func releaseSources(of domain: DeviceDomain) {
        for extent in domain.pages.extents.extents { releaseSource(of: extent) }
    }

    private func releaseSource(of extent: ExtentMap<Backing>.Extent) {
        guard let source = extent.value.source else { return }
        rootMemory.release(source..<(source + (extent.range.upperBound - extent.range.lowerBound)))
    }

    // MARK: Rules

    private func key(_ name: DeviceDomainName) throws(HypercallStatus) -> DomainKey {
        try Self.check(name.vtl)
        switch name.type {
        case DeviceDomainName.Kind.secondStage: break
        case DeviceDomainName.Kind.firstStage, DeviceDomainName.Kind.soc: throw HypercallStatus.featureUnavailable
        default: throw HypercallStatus.invalidParameter
        }
        return DomainKey(owner: try owner(name.partition), id: name.id)
    }

    /// Whether the domain is always there and as it is.
    private static func isFixed(_ key: DomainKey) -> Bool {
        key.id == DeviceDomainName.standardID || key.isNull
    }

    private static func domain(_ key: DomainKey, in table: DeviceTable) throws(HypercallStatus) -> DeviceDomain {
        if isFixed(key) { throw HypercallStatus.operationDenied }
        guard let domain = table.domains[key] else { throw HypercallStatus.notFound }
        return domain
    }

    private static func check(_ vtl: InputVTL) throws(HypercallStatus) {
        if vtl.usesTarget, vtl.target != 0 { throw HypercallStatus.invalidParameter }
    }

    private static func range(_ address: UInt64, count: Int) throws(HypercallStatus) -> Range<UInt64> {
        let size: UInt64 = 4096
        let end = (1 as UInt64) << UInt64(Limits.deviceAddressBits) / size
        let first = address / size
        guard address.isMultiple(of: size), UInt64(count) <= end, first <= end - UInt64(count) else {
            throw HypercallStatus.invalidParameter
        }
        return first..<(first + UInt64(count))
    }
}
