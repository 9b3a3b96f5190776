import HypercallABI

extension HypercallClient {
    package func importIsolatedPages(
        _ input: ImportIsolatedPagesInput, pages: [UInt64]
    ) throws(HypercallFailure) {
        try repeated(.importIsolatedPages, count: pages.count) { _ in
            input
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(pages[index], at: 0)
        }
    }

    package func completeIsolatedImport(_ input: CompleteIsolatedImportInput) throws(HypercallFailure) {
        try simple(.completeIsolatedImport, input) { _ in }
    }

    package func issueIsolatedGuestRequest(_ input: IsolatedGuestRequestInput) throws(HypercallFailure) {
        try simple(.issueSnpPspGuestRequest, input) { _ in }
    }
}
