import HypercallABI

extension HypercallClient {
    // MARK: Intercepts

    package func installIntercept(_ input: InstallInterceptInput) throws(HypercallFailure) {
        try simple(.installIntercept, input) { _ in }
    }

    package func registerInterceptResult(_ input: RegisterInterceptResultInput) throws(HypercallFailure) {
        try simple(.registerInterceptResult, input) { _ in }
    }

    // MARK: Addresses

    /// Translates a virtual address; the output tells why it can't be.
    package func translateGVA(_ input: TranslateGVAInput) throws(HypercallFailure) -> TranslateGVAOutput {
        try simple(.translateVirtualAddress, input) { output throws(HypercallStatus) in
            try TranslateGVAOutput(decoding: output)
        }
    }

    /// The same by the newer call.
    package func translateGVAExtended(_ input: TranslateGVAInput) throws(HypercallFailure) -> TranslateGVAOutput {
        try simple(.translateVirtualAddressEx, input) { output throws(HypercallStatus) in
            try TranslateGVAOutput(decodingExtended: output)
        }
    }

    // MARK: State

    /// Reads a state into pages of the root.
    package func readVPState(_ input: VPStateInput, into pages: [UInt64]) throws(HypercallFailure) {
        try simple(.getVpState, input, variableHeader: pages) { _ in }
    }

    /// Sets a state from pages of the root.
    package func writeVPState(_ input: VPStateInput, from pages: [UInt64]) throws(HypercallFailure) {
        try simple(.setVpState, input, variableHeader: pages) { _ in }
    }

    package func syntheticTimers(
        of index: VPIndex, in partition: PartitionID
    ) throws(HypercallFailure) -> SyntheticTimersState {
        let input = VPStateInput(partition: partition, index: index, type: .syntheticTimers)
        return try simple(.getVpState, input) { output throws(HypercallStatus) in
            try SyntheticTimersState(decoding: output)
        }
    }

    package func setSyntheticTimers(
        _ timers: SyntheticTimersState, of index: VPIndex, in partition: PartitionID
    ) throws(HypercallFailure) {
        let input = VPStateInput(partition: partition, index: index, type: .syntheticTimers)
        try simple(.setVpState, input, variableHeader: Self.words(of: timers)) { _ in }
    }

    /// - Returns: the root's page number of the page.
    package func mapVPStatePage(_ input: MapVPStatePageInput) throws(HypercallFailure) -> UInt64 {
        try simple(.mapVpStatePage, input) { output throws(HypercallStatus) in try output.read(UInt64.self, at: 0) }
    }

    package func unmapVPStatePage(_ input: UnmapVPStatePageInput) throws(HypercallFailure) {
        try simple(.unmapVpStatePage, input) { _ in }
    }

    /// What CPUID gives a processor's guest, for each leaf.
    package func cpuidValues(
        _ leaves: [CPUIDLeaf], for input: CPUIDValuesInput
    ) throws(HypercallFailure) -> [CPUIDRegisters] {
        var values: [CPUIDRegisters] = []
        values.reserveCapacity(leaves.count)
        try repeated(.getVpCpuidValues, count: leaves.count) { _ in
            input
        } element: { index, bytes throws(HypercallStatus) in
            try leaves[index].encode(into: bytes)
        } output: { bytes throws(HypercallStatus) in
            values.append(try CPUIDRegisters(decoding: bytes))
        }
        return values
    }

    // MARK: Control

    /// Runs a processor on this thread until it comes back.
    package func dispatchVP(_ input: DispatchVPInput) throws(HypercallFailure) -> DispatchVPOutput {
        try simple(.dispatchVp, input) { output throws(HypercallStatus) in try DispatchVPOutput(decoding: output) }
    }

    package func startVP(_ input: StartVPInput) throws(HypercallFailure) { try simple(.startVp, input) { _ in } }

    package func enableVPVTL(_ input: StartVPInput) throws(HypercallFailure) {
        try simple(.enableVpVtl, input) { _ in }
    }

    /// The processors with these APIC ids.
    package func vpIndices(
        ofAPICIDs ids: [UInt32], for input: VPIndexFromAPICIDInput
    ) throws(HypercallFailure) -> [VPIndex] {
        var indices: [VPIndex] = []
        indices.reserveCapacity(ids.count)
        try repeated(.getVpIndexFromApicId, count: ids.count) { _ in
            input
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(ids[index], at: 0)
        } output: { bytes throws(HypercallStatus) in
            indices.append(try bytes.read(UInt32.self, at: 0))
        }
        return indices
    }

    /// How long a processor of the host was busy.
    package func logicalProcessorRunTime(_ index: UInt32) throws(HypercallFailure) -> LogicalProcessorRunTime {
        try simple(.getLogicalProcessorRunTime, LogicalProcessorIndex(index)) { output throws(HypercallStatus) in
            try LogicalProcessorRunTime(decoding: output)
        }
    }

    private static func words(of timers: SyntheticTimersState) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: SyntheticTimersState.size / 8)
        // The room is exactly the structure's size, so that encoding cannot fail.
        words.withUnsafeMutableBytes { bytes in try? timers.encode(into: ByteWriter(bytes)) }
        return words
    }
}
