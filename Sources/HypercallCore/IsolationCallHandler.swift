import HypercallABI

/// Isolated partitions.
package protocol IsolationCallHandler: Sendable {
    func importIsolatedPages(_ input: ImportIsolatedPagesInput, pages: [UInt64]) -> RepOutcome
    func completeIsolatedImport(_ input: CompleteIsolatedImportInput) throws(HypercallStatus)
    func issueIsolatedGuestRequest(_ input: IsolatedGuestRequestInput) throws(HypercallStatus)
}
