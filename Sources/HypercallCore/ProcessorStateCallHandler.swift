import HypercallABI

/// What a processor has beside its registers, what it does with intercepts, and addresses as it sees them.
package protocol ProcessorStateCallHandler: Sendable {
    func installIntercept(_ input: InstallInterceptInput) throws(HypercallStatus)
    func registerInterceptResult(_ input: RegisterInterceptResultInput) throws(HypercallStatus)

    func translateGVA(_ input: TranslateGVAInput) throws(HypercallStatus) -> TranslateGVAOutput

    /// - Returns: the timers where the input asks for them; else nil, and the state is in the pages of `header`.
    func getVPState(_ input: VPStateInput, header: [UInt64]) throws(HypercallStatus) -> SyntheticTimersState?
    func setVPState(_ input: VPStateInput, header: [UInt64]) throws(HypercallStatus)
    /// - Returns: the root's page number.
    func mapVPStatePage(_ input: MapVPStatePageInput) throws(HypercallStatus) -> UInt64
    func unmapVPStatePage(_ input: UnmapVPStatePageInput) throws(HypercallStatus)
    /// - Returns: the values of the first leaves, and `success` only with those of all.
    func getVPCPUIDValues(
        _ input: CPUIDValuesInput, leaves: [CPUIDLeaf]
    ) -> (values: [CPUIDRegisters], status: HypercallStatus)

    /// Returns when the processor is outside again: the caller's thread runs it.
    func dispatchVP(_ input: DispatchVPInput) throws(HypercallStatus) -> DispatchVPOutput
    func startVP(_ input: StartVPInput) throws(HypercallStatus)
    func enableVPVTL(_ input: StartVPInput) throws(HypercallStatus)
    /// - Returns: the indices for the first ids, and `success` only with those for all.
    func getVPIndices(
        _ input: VPIndexFromAPICIDInput, apicIDs: [UInt32]
    ) -> (indices: [VPIndex], status: HypercallStatus)
    func logicalProcessorRunTime(_ index: UInt32) throws(HypercallStatus) -> LogicalProcessorRunTime
}
