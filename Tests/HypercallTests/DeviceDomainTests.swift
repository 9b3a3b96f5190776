import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Testing

private let first = DeviceID.pci(bus: 1, device: 0, function: 0)
private let second = DeviceID.pci(bus: 2, device: 0, function: 0)

/// Device domains: which pages devices reach.
@Suite struct DeviceDomainTests {
    private func bench() throws -> Bench {
        let bench = try Bench()
        bench.hypervisor.registerDevice(first)
        bench.hypervisor.registerDevice(second)
        return bench
    }

    private func domain(_ id: UInt32, of partition: PartitionID = .own) -> DeviceDomainName {
        DeviceDomainName(partition: partition, id: id)
    }

    private func map(
        _ client: HypercallClient, _ name: DeviceDomainName, at page: UInt64, _ pages: [UInt64],
        _ flags: MapGPAFlags = [.readable, .writable]
    ) throws {
        try client.mapDeviceGPAPages(
            MapDeviceGPAPagesInput(domain: name, flags: flags, address: page * 4096), pages: pages)
    }

    /// Every call about a domain refuses the same of it.
    @Test func domainsThatAreNone() throws {
        let bench = try bench()
        let client = bench.client
        let young = try client.createPartition(CreatePartitionInput(flags: []))
        func all(_ change: (inout DeviceDomainName) -> Void) -> [HypercallStatus] {
            var name = domain(3)
            change(&name)
            return [
                status { try client.createDeviceDomain(CreateDeviceDomainInput(domain: name)) },
                status { try client.deleteDeviceDomain(name) },
                status { try client.attachDevice(first, to: name) },
                status { try map(client, name, at: 0, bench.pages(0..<1)) },
                status { try client.unmapDeviceGPAPages(UnmapDeviceGPAPagesInput(domain: name, address: 0), count: 1) },
            ]
        }
        func five(_ status: HypercallStatus) -> [HypercallStatus] { Array(repeating: status, count: 5) }
        #expect(all { $0.vtl = InputVTL(target: 1, usesTarget: true) } == five(.invalidParameter))
        for type in [1, 2] as [UInt32] { #expect(all { $0.type = type } == five(.featureUnavailable)) }
        for type in [3, 15] as [UInt32] { #expect(all { $0.type = type } == five(.invalidParameter)) }
        #expect(all { $0.partition = .invalid } == five(.invalidPartitionId))
        #expect(all { $0.partition = young } == five(.invalidPartitionState))
        #expect(
            all { $0.id = 0 } == [
                .keyAlreadyExists, .operationDenied, .deviceAlreadyInDomain, .operationDenied, .operationDenied,
            ])
        #expect(
            all { $0.id = .max } == [
                .keyAlreadyExists, .operationDenied, .success, .operationDenied, .operationDenied,
            ])
        #expect(
            bench.hypervisor.page(reachedBy: first, at: bench.firstPage, writing: false) == nil, "in the null domain")
        try client.detachDeviceDomain(first, of: .own)
        #expect(
            status {
                try client.createDeviceDomain(
                    CreateDeviceDomainInput(domain: domain(3), flags: .init(rawValue: 4)))
            } == .invalidParameter)
        #expect(
            Array(all { _ in }.prefix(2)) == [.success, .success], "made and deleted")
        #expect(all { _ in }[2...] == [.notFound, .notFound, .notFound])
    }

    @Test func devicesInDomains() throws {
        let bench = try bench()
        let client = bench.client
        for id in [3, 4] as [UInt32] { try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(id))) }
        #expect(
            status { try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(3))) } == .keyAlreadyExists)
        #expect(status { try client.attachDevice(.logical(1), to: domain(3)) } == .invalidDeviceId)
        #expect(status { try client.detachDeviceDomain(first, of: .own) } == .invalidDeviceState)
        #expect(status { try client.detachDeviceDomain(first, of: .invalid) } == .invalidPartitionId)
        #expect(status { try client.detachDeviceDomain(.logical(1), of: .own) } == .invalidDeviceId)
        try client.attachDevice(first, to: domain(3))
        try client.attachDevice(second, to: domain(3))
        for id in [0, 3, 4, .max] as [UInt32] {
            #expect(status { try client.attachDevice(first, to: domain(id)) } == .deviceAlreadyInDomain)
        }
        #expect(status { try client.deleteDeviceDomain(domain(3)) } == .objectInUse)
        let id = try bench.activePartition()
        #expect(
            status {
                try client.attachDevice(AttachDeviceInput(partition: id, device: first, logicalID: .logical(1)))
            } == .invalidDeviceState)
        try client.detachDeviceDomain(first, of: .own)
        #expect(status { try client.deleteDeviceDomain(domain(3)) } == .objectInUse)
        try client.detachDeviceDomain(second, of: .own)
        try client.deleteDeviceDomain(domain(3))
        try client.attachDevice(first, to: domain(4))
    }

    @Test func whatDevicesReach() throws {
        let bench = try bench()
        let client = bench.client
        let root = bench.firstPage
        func reach(_ page: UInt64, writing: Bool = false, _ device: DeviceID = first) -> UInt64? {
            bench.hypervisor.page(reachedBy: device, at: page, writing: writing)
        }
        #expect(reach(root) == root, "what the root reaches")
        #expect(reach(1) == nil, "no root memory")
        #expect(reach(root, .logical(3)) == nil)
        try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(3)))
        try client.attachDevice(first, to: domain(3))
        #expect(reach(root) == nil, "nothing is mapped")
        try map(client, domain(3), at: 0x700, bench.pages(10..<12))
        try map(client, domain(3), at: 0x702, bench.pages(20..<21), [.readable])
        #expect((0x6FF...0x703).map { reach($0) } == [nil, root + 10, root + 11, root + 20, nil])
        #expect((0x700...0x702).map { reach($0, writing: true) } == [root + 10, root + 11, nil])
        #expect(reach(root, second) == root, "another device")
        try client.unmapDeviceGPAPages(UnmapDeviceGPAPagesInput(domain: domain(3), address: 0x701 * 4096), count: 5)
        #expect((0x700...0x702).map { reach($0) } == [root + 10, nil, nil])
    }

    @Test func mappingRules() throws {
        let bench = try bench()
        let client = bench.client
        try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(3)))
        func failure(_ body: () throws(HypercallFailure) -> Void) -> HypercallFailure? {
            do throws(HypercallFailure) {
                try body()
                return nil
            } catch {
                return error
            }
        }
        func mapping(
            _ address: UInt64, _ pages: [UInt64], _ flags: MapGPAFlags = [.readable], vtl: InputVTL = .current
        ) -> (HypercallStatus, Int) {
            let input = MapDeviceGPAPagesInput(domain: domain(3), vtl: vtl, flags: flags, address: address)
            let failure = failure { () throws(HypercallFailure) in
                try client.mapDeviceGPAPages(input, pages: pages)
            }
            return (failure?.status ?? .success, failure?.repsCompleted ?? pages.count)
        }
        let page = bench.pages(1..<2)
        #expect(mapping(0, page, [.readable], vtl: InputVTL(target: 1, usesTarget: true)) == (.invalidParameter, 0))
        for flags in [[], [.writable], [.readable, .executable], [.readable, .largePage]] as [MapGPAFlags] {
            #expect(mapping(0, page, flags) == (.invalidParameter, 0))
        }
        #expect(mapping(1, page) == (.invalidParameter, 0), "no page's address")
        #expect(mapping(1 << 48, page) == (.invalidParameter, 0))
        #expect(mapping(1 << 48 - 4096, bench.pages(1..<3)) == (.invalidParameter, 0))
        #expect(mapping(UInt64.max - 4095, page) == (.invalidParameter, 0))
        #expect(mapping(1 << 48 - 4096, page) == (.success, 1))
        #expect(mapping(8192, page) == (.success, 1))
        #expect(mapping(0, bench.pages(1..<5)) == (.objectInUse, 2))
        #expect(mapping(0x10000, page + [5]) == (.invalidParameter, 1), "no root memory")
        #expect(mapping(0x20000, page + [.max]) == (.invalidParameter, 1))
        try client.depositMemory(bench.pages(9..<10), to: .own)
        #expect(mapping(0x30000, bench.pages(8..<12)) == (.operationDenied, 1))
        // Devices have it, so that the hypervisor can't.
        #expect(status { try client.depositMemory(bench.pages(8..<9), to: .own) } == .operationDenied)
        let all = UnmapDeviceGPAPagesInput(domain: domain(3), address: 0)
        try client.unmapDeviceGPAPages(all, count: 600)
        try client.depositMemory(bench.pages(8..<9), to: .own)
        #expect(
            status { try client.unmapDeviceGPAPages(.init(domain: domain(3), address: 3), count: 1) }
                == .invalidParameter)
        #expect(
            status { try client.unmapDeviceGPAPages(.init(domain: domain(3), address: 1 << 48), count: 1) }
                == .invalidParameter)
    }

    /// A partition's domain maps the partition's pages, and its pool pays.
    @Test func domainsOfPartitions() throws {
        let bench = try bench()
        let client = bench.client
        let id = try bench.activePartition(deposit: 160 + 4)
        let root = bench.firstPage
        // 1 for the page table of the guest, 1 for the device, 1 for the domain.
        try client.mapGPAPages(id, gpaPage: 0, flags: [.readable, .writable], count: 4) { root + 100 + UInt64($0) }
        try client.mapGPAPages(id, gpaPage: 4, flags: [.readable], count: 1) { root + 200 + UInt64($0) }
        try client.mapGPAPages(id, gpaPage: 5, flags: [.noAccess], count: 1) { _ in 0 }
        let device = DeviceID.logical(1)
        try client.attachDevice(AttachDeviceInput(partition: id, device: first, logicalID: device))
        #expect(bench.hypervisor.page(reachedBy: first, at: 2, writing: true) == root + 102)
        #expect(bench.hypervisor.page(reachedBy: first, at: 4, writing: true) == nil)
        let name = domain(1, of: id)
        try client.createDeviceDomain(CreateDeviceDomainInput(domain: name))
        #expect(status { try client.attachDevice(first, to: name) } == .invalidDeviceId)
        try client.attachDevice(device, to: name)
        #expect(status { try client.detachDevice(device, from: id) } == .invalidDeviceState)
        try map(client, name, at: 511, [1])
        #expect(status { try map(client, name, at: 512, [2]) } == .insufficientMemory)
        #expect(bench.hypervisor.page(reachedBy: first, at: 512, writing: false) == nil)
        #expect(status { try map(client, name, at: 510, [4]) } == .invalidParameter, "not to be written")
        for page in [5, 6, 1 << 60] as [UInt64] {
            #expect(status { try map(client, name, at: 510, [page], [.readable]) } == .invalidParameter)
        }
        try map(client, name, at: 510, [4], [.readable])
        #expect(bench.hypervisor.page(reachedBy: first, at: 510, writing: false) == root + 200)
        // The last page of the table gives it back.
        try client.unmapDeviceGPAPages(UnmapDeviceGPAPagesInput(domain: name, address: 510 * 4096), count: 2)
        try map(client, name, at: 512, [2])
        // What devices have stays theirs.
        try client.unmapGPAPages(id, gpaPage: 0, flags: [], count: 4)
        #expect(bench.hypervisor.page(reachedBy: first, at: 512, writing: true) == root + 102)
        #expect(status { try client.depositMemory([root + 102], to: .own) } == .operationDenied)
        try client.finalizePartition(id)
        try client.depositMemory([root + 102], to: .own)
        #expect(bench.hypervisor.page(reachedBy: first, at: root, writing: true) == root, "the root's again")
        #expect(try client.withdrawMemory(from: id, maximum: .max).count == 164)
    }

    @Test func deletingFreesWhatIsMapped() throws {
        let bench = try bench()
        let client = bench.client
        let id = try bench.activePartition(deposit: 160 + 3)
        try client.mapGPAPages(id, gpaPage: 0, flags: [.readable], count: 1) { _ in bench.firstPage }
        let name = domain(1, of: id)
        for _ in 0..<3 {
            try client.createDeviceDomain(CreateDeviceDomainInput(domain: name))
            #expect(
                status { try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(2, of: id))) }
                    == .success)
            #expect(status { try map(client, name, at: 0, [0], [.readable]) } == .insufficientMemory)
            try client.deleteDeviceDomain(domain(2, of: id))
            try map(client, name, at: 0, [0], [.readable])
            #expect(
                status { try client.createDeviceDomain(CreateDeviceDomainInput(domain: domain(2, of: id))) }
                    == .insufficientMemory)
            try client.deleteDeviceDomain(name)
        }
        #expect(try client.withdrawMemory(from: id, maximum: .max).count == 2)
    }
}
