import HypercallABI

/// Statistics pages.
package protocol StatisticsCallHandler: Sendable {
    /// - Returns: the root's number of a page of the hypervisor's own.
    func mapStatsPage(_ input: StatisticsPageInput) throws(HypercallStatus) -> UInt64
    func mapStatsPage2(_ input: MapStatisticsPage2Input) throws(HypercallStatus)
    func unmapStatsPage(_ input: StatisticsPageInput) throws(HypercallStatus)
}
