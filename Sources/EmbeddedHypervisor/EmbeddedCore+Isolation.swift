import HypercallABI
import HypercallCore
import Hypervisor

/// Isolated partitions: none can be created here, so that a call about one that is there and active is
/// `featureUnavailable`, whatever else it says; before that come `invalidPartitionId` and `invalidPartitionState`.
extension EmbeddedCore {
    func importIsolatedPages(_ input: ImportIsolatedPagesInput, pages: [UInt64]) -> RepOutcome {
        do throws(HypercallStatus) {
            try refuse(input.partition)
        } catch {
            return .refused(error)
        }
        return .refused(.featureUnavailable)
    }

    func completeIsolatedImport(_ input: CompleteIsolatedImportInput) throws(HypercallStatus) {
        try refuse(input.partition)
    }

    func issueIsolatedGuestRequest(_ input: IsolatedGuestRequestInput) throws(HypercallStatus) {
        try refuse(input.partition)
    }

    private func refuse(_ partition: PartitionID) throws(HypercallStatus) {
        try self.partition(partition).with { state throws(HypercallStatus) in try state.requireActive() }
        throw HypercallStatus.featureUnavailable
    }
}
