import HypercallABI

extension CallCatalogue {
    /// Statistics pages.
    static let statistics: [CallDefinition] = [
        CallDefinition(
            .mapStatsPage, .statistics,
            CallForm(inputSize: StatisticsPageInput.size, outputSize: StatisticsPageInput.outputSize),
            "Shares a page of counters with the root: of the hypervisor, of a processor of the host, of a partition or of "
                + "a virtual processor. It costs a page of the root's own pool.",
            input: "hv_input_map_stats_page", output: "hv_output_map_stats_page",
            statuses: ofObject + [.objectInUse, .insufficientMemory, .operationFailed], mshv: .driverOnly),
        CallDefinition(
            .mapStatsPage2, .statistics, CallForm(inputSize: MapStatisticsPage2Input.size),
            "The same, in a page of the root's.",
            input: "hv_input_map_stats_page2",
            statuses: ofObject + [.objectInUse, .operationDenied, .operationFailed], mshv: .driverOnly),
        CallDefinition(
            .unmapStatsPage, .statistics, CallForm(inputSize: StatisticsPageInput.size),
            "Ends the sharing of a page of counters.",
            input: "hv_input_unmap_stats_page", statuses: [.invalidParameter, .accessDenied, .notFound],
            mshv: .driverOnly),
    ]

    private static let ofObject: [HypercallStatus] = [
        .invalidParameter, .accessDenied, .invalidLpIndex, .invalidPartitionId, .invalidPartitionState,
        .invalidVpIndex,
    ]
}
