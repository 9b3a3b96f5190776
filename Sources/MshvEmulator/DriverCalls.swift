import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// The hypercalls that the driver makes by itself, with the deposits that it makes for them
/// (drivers/hv/mshv_root_hv_call.c, hv_proc.c) and the errno that comes of them.
struct DriverCalls: Sendable {
    private let hypervisor: EmbeddedHypervisor
    private let client: HypercallClient
    private let pool: DepositPool

    /// A hypervisor that lacks memory after so many deposits in a row has another problem.
    static let mostRetries = 8192

    init(_ hypervisor: EmbeddedHypervisor) {
        self.hypervisor = hypervisor
        client = HypercallClient(hypervisor.port)
        pool = DepositPool.of(hypervisor)
    }

    func createPartition(_ input: CreatePartitionInput) throws(Errno) -> PartitionID {
        try retrying(depositTo: .own) { () throws(HypercallFailure) in try client.createPartition(input) }
    }

    func initialize(_ partition: PartitionID) throws(Errno) {
        do throws(Errno) {
            try deposit(DepositCount.initializePartition, to: partition)
            try retrying(depositTo: partition) { () throws(HypercallFailure) in
                try client.initializePartition(partition)
            }
        } catch {
            withdrawAll(from: partition)
            throw error
        }
    }

    func createVP(_ index: VPIndex, of partition: PartitionID) throws(Errno) {
        try deposit(DepositCount.createVP, to: partition)
        try retrying(depositTo: partition) { () throws(HypercallFailure) in
            try client.createVP(CreateVPInput(partition: partition, index: index))
        }
    }

    func deleteVP(_ index: VPIndex, of partition: PartitionID) {
        // The caller is on the way out of a failure, and the partition's end takes the processor anyway.
        try? client.deleteVP(index, of: partition)
    }

    /// The end of a partition, initialized or not, and all it has.
    func destroy(_ partition: PartitionID, regions: [MemoryRegion]) {
        // Finalizing fails where the partition was not initialized, and is not needed there.
        try? client.finalizePartition(partition)
        for region in regions { unregister(region) }
        withdrawAll(from: partition)
        try? client.deletePartition(partition)
    }

    // MARK: Guest memory

    /// Maps a region, whose memory is the root's from then on; where that fails, nothing of it is mapped.
    func map(_ region: MemoryRegion, in partition: PartitionID) throws(Errno) {
        guard let base = UnsafeMutableRawPointer(bitPattern: UInt(region.address)) else { throw Errno(EINVAL) }
        hypervisor.registerRootMemory(base: base, count: Int(region.count))
        var mapped: [MemoryRegion.Part] = []
        do throws(Errno) {
            for part in region.parts {
                try map(part, flags: region.flags, in: partition)
                mapped.append(part)
            }
        } catch {
            for part in mapped { unmap(part, in: partition) }
            hypervisor.unregisterRootMemory(base: base, count: Int(region.count))
            throw error
        }
    }

    func unmap(_ region: MemoryRegion, in partition: PartitionID) {
        for part in region.parts { unmap(part, in: partition) }
        unregister(region)
    }

    private func map(
        _ part: MemoryRegion.Part, flags: MapGPAFlags, in partition: PartitionID
    ) throws(Errno) {
        let stride = part.stride
        let total = Int((part.pages.upperBound - part.pages.lowerBound) / stride)
        var done = 0
        var vain = 0
        while done < total {
            do throws(HypercallFailure) {
                let first = part.source + UInt64(done) * stride
                try client.mapGPAPages(
                    partition, gpaPage: part.pages.lowerBound + UInt64(done) * stride,
                    flags: part.isLarge ? flags.union(.largePage) : flags, count: total - done
                ) { first + UInt64($0) * stride }
                return
            } catch {
                done += error.repsCompleted
                vain = error.repsCompleted > 0 ? 0 : vain + 1
                guard error.status == .insufficientMemory, vain < 64 else {
                    unmap(part, count: done, in: partition)
                    throw Errno(error.status)
                }
            }
            do throws(Errno) {
                try deposit(DepositCount.mapGPAPages, to: partition)
            } catch {
                unmap(part, count: done, in: partition)
                throw error
            }
        }
    }

    private func unmap(_ part: MemoryRegion.Part, in partition: PartitionID) {
        unmap(part, count: Int((part.pages.upperBound - part.pages.lowerBound) / part.stride), in: partition)
    }

    private func unmap(_ part: MemoryRegion.Part, count: Int, in partition: PartitionID) {
        guard count > 0 else { return }
        try? client.unmapGPAPages(
            partition, gpaPage: part.pages.lowerBound, flags: part.isLarge ? .largePage : [], count: count)
    }

    private func unregister(_ region: MemoryRegion) {
        guard let base = UnsafeMutableRawPointer(bitPattern: UInt(region.address)) else { return }
        hypervisor.unregisterRootMemory(base: base, count: Int(region.count))
    }

    // MARK: Deposits

    func deposit(_ count: Int, to partition: PartitionID) throws(Errno) {
        let pages: [UInt64]
        do throws(HypervisorError) {
            pages = try pool.take(count, for: hypervisor)
        } catch {
            throw Errno(ENOMEM)
        }
        do throws(HypercallFailure) {
            try client.depositMemory(pages, to: partition)
        } catch {
            pool.putBack(pages[min(error.repsCompleted, pages.count)...])
            throw Errno(error.status)
        }
    }

    private func retrying<Result>(
        depositTo partition: PartitionID, _ call: () throws(HypercallFailure) -> Result
    ) throws(Errno) -> Result {
        var retries = 0
        while true {
            do throws(HypercallFailure) {
                return try call()
            } catch {
                guard error.status == .insufficientMemory, retries < Self.mostRetries else {
                    throw Errno(error.status)
                }
            }
            retries += 1
            try deposit(1, to: partition)
        }
    }

    private func withdrawAll(from partition: PartitionID) {
        // A failure ends it: what the hypervisor keeps is not free, so it stays out of the pool.
        while let pages = try? client.withdrawMemory(from: partition, maximum: 4096), !pages.isEmpty {
            pool.putBack(pages)
        }
    }
}
