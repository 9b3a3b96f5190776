import HypercallABI

/// The callers' side of the waist: one typed method per call, over any port.
///
/// Repeat calls are split into the batches that Linux's driver uses, and a call that the hypervisor leaves half done
/// with success (it gives the processor back after some 50 microseconds, TLFS, "Hypercall Interface") is continued
/// where it stopped.
package struct HypercallClient: Sendable {
    package let port: any HypercallPort

    package init(_ port: any HypercallPort) { self.port = port }

    // MARK: Partitions (TLFS, "Partition Management")

    package func createPartition(_ input: CreatePartitionInput) throws(HypercallFailure) -> PartitionID {
        try simple(.createPartition, input) { output throws(HypercallStatus) in
            try PartitionIDField(decoding: output).partition
        }
    }

    package func initializePartition(_ partition: PartitionID) throws(HypercallFailure) {
        try simple(.initializePartition, PartitionIDField(partition)) { _ in }
    }

    package func finalizePartition(_ partition: PartitionID) throws(HypercallFailure) {
        try simple(.finalizePartition, PartitionIDField(partition)) { _ in }
    }

    package func deletePartition(_ partition: PartitionID) throws(HypercallFailure) {
        try simple(.deletePartition, PartitionIDField(partition)) { _ in }
    }

    package func partitionProperty(
        _ property: PartitionProperty, of partition: PartitionID
    ) throws(HypercallFailure) -> UInt64 {
        let input = GetPartitionPropertyInput(partition: partition, property: property)
        return try simple(.getPartitionProperty, input) { output throws(HypercallStatus) in
            try output.read(UInt64.self, at: 0)
        }
    }

    package func setPartitionProperty(
        _ property: PartitionProperty, of partition: PartitionID, to value: UInt64
    ) throws(HypercallFailure) {
        let input = SetPartitionPropertyInput(partition: partition, property: property, value: value)
        try simple(.setPartitionProperty, input) { _ in }
    }

    // MARK: Memory (TLFS, "Guest Physical Address Spaces")

    /// Gives root pages to a partition's pool.
    package func depositMemory(_ pages: [UInt64], to partition: PartitionID) throws(HypercallFailure) {
        try repeated(.depositMemory, count: pages.count) { _ in
            DepositMemoryInput(partition: partition)
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(pages[index], at: 0)
        }
    }

    /// Takes back up to `maximum` pages that a partition does not use.
    ///
    /// - Returns: fewer than `maximum` where the pool has no more; that is no failure.
    package func withdrawMemory(
        from partition: PartitionID, maximum: Int
    ) throws(HypercallFailure) -> [UInt64] {
        var pages: [UInt64] = []
        do throws(HypercallFailure) {
            try repeated(.withdrawMemory, count: maximum) { _ in
                WithdrawMemoryInput(partition: partition)
            } output: { bytes throws(HypercallStatus) in
                pages.append(try bytes.read(UInt64.self, at: 0))
            }
        } catch {
            guard error.status == .noResources else { throw error }
        }
        return pages
    }

    /// Maps `count` pages (of 2 MiB with `largePage`) of the root as guest memory from `gpaPage` on.
    ///
    /// - Parameter source: the root's page number for each of them; not asked with `noAccess`.
    package func mapGPAPages(
        _ partition: PartitionID, gpaPage: UInt64, flags: MapGPAFlags, count: Int, source: (Int) -> UInt64
    ) throws(HypercallFailure) {
        try repeated(.mapGpaPages, count: count) { done in
            let offset = UInt64(done) &* (flags.contains(.largePage) ? 512 : 1)
            return MapGPAPagesInput(partition: partition, gpaPage: gpaPage &+ offset, flags: flags)
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(flags.contains(.noAccess) ? 0 : source(index), at: 0)
        }
    }

    /// Unmaps `count` pages (of 2 MiB with `largePage`) of guest memory from `gpaPage` on.
    package func unmapGPAPages(
        _ partition: PartitionID, gpaPage: UInt64, flags: UnmapGPAFlags, count: Int
    ) throws(HypercallFailure) {
        try repeated(.unmapGpaPages, count: count) { done in
            let offset = UInt64(done) &* (flags.contains(.largePage) ? 512 : 1)
            return UnmapGPAPagesInput(partition: partition, gpaPage: gpaPage &+ offset, flags: flags)
        }
    }

    // MARK: Virtual processors (TLFS, "Virtual Processor Management")

    package func createVP(_ input: CreateVPInput) throws(HypercallFailure) {
        try simple(.createVp, input) { _ in }
    }

    package func deleteVP(_ index: VPIndex, of partition: PartitionID) throws(HypercallFailure) {
        try simple(.deleteVp, DeleteVPInput(partition: partition, index: index)) { _ in }
    }

    package func registers(
        _ names: [RegisterName], of index: VPIndex, in partition: PartitionID
    ) throws(HypercallFailure) -> [RegisterValue] {
        var values: [RegisterValue] = []
        values.reserveCapacity(names.count)
        try repeated(.getVpRegisters, count: names.count) { _ in
            VPRegistersInput(partition: partition, index: index)
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(names[index].rawValue, at: 0)
        } output: { bytes throws(HypercallStatus) in
            values.append(try RegisterValue(decoding: bytes))
        }
        return values
    }

    package func setRegisters(
        _ registers: [RegisterAssociation], of index: VPIndex, in partition: PartitionID
    ) throws(HypercallFailure) {
        try repeated(.setVpRegisters, count: registers.count) { _ in
            VPRegistersInput(partition: partition, index: index)
        } element: { index, bytes throws(HypercallStatus) in
            try registers[index].encode(into: bytes)
        }
    }
}
