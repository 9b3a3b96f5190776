import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// A hypervisor and the model side by side: each call is made in both. Only one at a time: all share the root's memory.
package struct ModelBench {
    package private(set) var model: Model
    let engine: ModelEngine
    let hypervisor: EmbeddedHypervisor
    private let port: any HypercallPort
    /// How the last call ended.
    package private(set) var lastStatus = HypercallStatus.success

    /// What stands between the caller and the hypervisor: nothing, unless a test wants answers to be wrong.
    package typealias Wrapper = (any HypercallPort) -> any HypercallPort

    package init(
        _ configuration: ModelConfiguration = ModelConfiguration(), wrapper: Wrapper = { $0 }
    ) {
        model = Model(configuration)
        engine = ModelEngine(isWhole: configuration.isEngineWhole)
        hypervisor = EmbeddedHypervisor(
            engine: engine, firstPartitionID: PartitionID(rawValue: configuration.firstPartition),
            vpCount: Int(configuration.vpCount), host: Self.host)
        port = wrapper(hypervisor.port)
        for device in Model.machineDevices { hypervisor.registerDevice(DeviceID(rawValue: device)) }
        let mapped = RootPages.isMapped
        for pages in configuration.rootPages + [configuration.statisticsPages] {
            guard let base = UnsafeMutableRawPointer(bitPattern: UInt(pages.lowerBound) * 4096) else { continue }
            // Sound: the range lies in the mapping, which is nobody else's. Its pages are all zero again with that.
            if mapped { madvise(base, pages.count * 4096, MADV_DONTNEED) }
            hypervisor.registerRootMemory(base: base, count: pages.count * 4096)
        }
    }

    /// The root's memory: one mapping for all benches of a process, always at the same addresses, since they are in the
    /// calls that a seed repeats.
    private enum RootPages {
        static let isMapped: Bool = {
            let base = UnsafeMutableRawPointer(bitPattern: 0x2000_0000_0000 as UInt)
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
            return mmap(base, 0x1600 * 4096, PROT_READ | PROT_WRITE, Int32(flags), -1, 0) == base
        }()
    }

    /// A processor that is nobody's: every number another one.
    private static let host: HostProcessor = {
        var host = HostProcessor(clockFrequency: 1) { _, _ in .zero }
        host.vendor = Model.Host.vendor
        host.features0 = Model.Host.features0
        host.features1 = Model.Host.features1
        host.xsaveFeatures = Model.Host.xsaveFeatures
        host.xsaveStates = Model.Host.xsaveStates
        host.maximumXsaveSize = Model.Host.maximumXsaveSize
        host.cacheLineFlushShift = Model.Host.cacheLineFlushShift
        host.physicalAddressBits = Model.Host.physicalAddressBits
        host.clockFrequency = Model.Host.clockFrequency
        return host
    }()

    /// Makes a call in both; a call that the model does not know, but the hypervisor does, is not made.
    ///
    /// - Returns: what differs, or nil.
    package mutating func make(_ call: ModelCall) -> String? {
        let code = call.control.code
        if !Model.coveredCodes.contains(code.rawValue), CallCatalogue.definition(of: code) != nil { return nil }
        if code == .mapStatsPage2, configuration.rootPages.contains(where: { $0.contains(call.word64(24)) }),
            model.root[call.word64(24)] != .deposited
        {
            return nil
        }
        // Nor is what reads or writes where statistics are.
        if code == .mmioRead || code == .mmioWrite, configuration.statisticsPages.contains(call.word64(0) / 4096) {
            return nil
        }
        var output = [UInt8](repeating: Model.fill, count: call.outputCount)
        let result = call.input.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { output in port.execute(call.control, input: input, output: output) }
        }
        lastStatus = result.status
        return model.follow(call, ModelAnswer(result: result, output: output))
    }

    /// What is told of the hypervisor's pools and maps.
    ///
    /// - Returns: what differs, or nil.
    package func compareCounts() -> String? {
        let root = hypervisor.rootStatistics
        let deposited = model.root.values.reduce(into: 0) { if $1 == .deposited { $0 += 1 } }
        let mapped = model.root.values.reduce(into: 0) { if case .mapped(let count) = $1 { $0 += count } }
        if root.deposited != UInt64(model.rootDeposited.count) || root.used != UInt64(model.rootUsed)
            || root.allDeposited != UInt64(deposited) || root.allMapped != UInt64(mapped)
        {
            return "root statistics \(root), expected \(model.rootDeposited.count), \(model.rootUsed), "
                + "\(deposited), \(mapped)"
        }
        for (id, partition) in model.partitions {
            guard let found = try? hypervisor.memoryStatistics(of: PartitionID(rawValue: id)) else {
                return "partition \(id) is not there"
            }
            let backed = partition.guest.values.reduce(into: 0) { if $1.source != nil { $0 += 1 } }
            var expected = found  // how many runs it takes to remember is nobody's business
            expected.deposited = UInt64(partition.deposited.count)
            expected.used = UInt64(partition.used)
            expected.free = UInt64(partition.free)
            expected.mapped = UInt64(partition.guest.count)
            expected.backed = UInt64(backed)
            if found != expected { return "statistics of partition \(id): \(found), expected \(expected)" }
        }
        let absent = configuration.partitionIDs.first {
            model.partitions[$0] == nil && (try? hypervisor.memoryStatistics(of: PartitionID(rawValue: $0))) != nil
        }
        return absent.map { "partition \($0) is there" }
    }

    /// Everything that can be seen: counts, each page in the engine, each property, each register, all read by
    /// hypercalls where there is one.
    ///
    /// - Returns: what differs, or nil.
    package mutating func compareAll() -> String? {
        if let difference = compareCounts() { return difference }
        if let complaint = engine.complaints.first { return "the engine complains: \(complaint)" }
        if let difference = compareDevices() { return difference }
        for (id, partition) in model.partitions.sorted(by: { $0.key < $1.key }) {
            if let difference = comparePages(id, partition) { return "partition \(id): \(difference)" }
            for question in ModelGenerator.questions(id, partition) {
                if let difference = make(question) { return "asked afterwards: \(question): \(difference)" }
            }
        }
        return nil
    }

    private var configuration: ModelConfiguration { model.configuration }

    /// Interrupts of devices go where they are mapped to, and devices reach what they may.
    private mutating func compareDevices() -> String? {
        for (physical, device) in model.devices.sorted(by: { $0.key < $1.key }) {
            let id = DeviceID(rawValue: physical)
            for interrupt in model.interrupts where interrupt.owner == device.owner && interrupt.device == device.name {
                let source = InterruptSource(rawValue: UInt32(truncatingIfNeeded: interrupt.entry[0]))
                let entry = InterruptEntry(source: source, value: interrupt.entry[1])
                let isRaised = (try? hypervisor.raiseInterrupt(of: id, entry)) ?? false
                // The root's processors are not here.
                if isRaised == (device.owner == Model.own) { return "\(id): interrupt \(entry) raised: \(isRaised)" }
                model.partitions[device.owner]?.messages += Model.messages(of: interrupt)
            }
            let root = configuration.rootPages.flatMap { [$0.lowerBound, $0.upperBound - 1, $0.upperBound] }
            for page in Array(0..<64) + Array(stride(from: 64, to: 3000, by: 50)) + root {
                for isWrite in [false, true] {
                    let found = hypervisor.page(reachedBy: id, at: page, writing: isWrite)
                    let expected = model.reached(physical, page, isWrite: isWrite)
                    if found != expected {
                        return "\(id) reaches \(String(describing: found)) at page \(page), expected "
                            + "\(String(describing: expected)), writing: \(isWrite)"
                    }
                }
            }
        }
        return nil
    }

    /// The engine has what can be read, and nothing else.
    private func comparePages(_ id: UInt64, _ partition: Model.Partition) -> String? {
        guard partition.life == .active else { return nil }
        var found: [UInt64: Model.GuestPage] = [:]
        let (pieces, messages) = engine.partition(id)?.state.withLock { ($0.pieces, $0.messages) } ?? ([], [])
        if messages != partition.messages {
            return "interrupts in the engine: \(messages), expected \(partition.messages)"
        }
        for piece in pieces {
            for (offset, page) in piece.pages.enumerated() {
                found[page] = Model.GuestPage(
                    source: piece.host + UInt64(offset), flags: UInt32(piece.access.rawValue), isDirty: false)
            }
        }
        var expected: [UInt64: Model.GuestPage] = [:]
        for (page, guest) in partition.guest {
            guard let source = guest.source, guest.flags & 0x1 != 0 else { continue }
            let access = (guest.flags & 0x2 != 0 ? 1 : 0) | (guest.flags & 0xC != 0 ? 2 : 0) as UInt32
            expected[page] = Model.GuestPage(source: source, flags: access, isDirty: false)
        }
        if found == expected { return nil }
        let pages = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }
        guard let page = pages.min() else { return nil }
        return "guest page \(page) in the engine: \(String(describing: found[page])), "
            + "expected \(String(describing: expected[page]))"
    }
}
