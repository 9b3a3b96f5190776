import HypercallABI

extension HypercallClient {
    /// - Returns: the root's number of the page, which is the hypervisor's own.
    package func mapStatisticsPage(_ identity: StatisticsIdentity) throws(HypercallFailure) -> UInt64 {
        try simple(.mapStatsPage, StatisticsPageInput(identity)) { output throws(HypercallStatus) in
            try output.read(UInt64.self, at: 0)
        }
    }

    /// Lets the hypervisor write a page of the caller's.
    package func mapStatisticsPage(
        _ identity: StatisticsIdentity, at page: UInt64
    ) throws(HypercallFailure) {
        try simple(.mapStatsPage2, MapStatisticsPage2Input(identity, location: page)) { _ in }
    }

    package func unmapStatisticsPage(_ identity: StatisticsIdentity) throws(HypercallFailure) {
        try simple(.unmapStatsPage, StatisticsPageInput(identity)) { _ in }
    }
}
