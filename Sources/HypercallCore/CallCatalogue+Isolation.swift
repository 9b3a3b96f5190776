import HypercallABI

extension CallCatalogue {
    /// Isolated partitions, of which there are none here: a root that makes these calls is told so.
    static let isolation: [CallDefinition] = [
        CallDefinition(
            .importIsolatedPages, .memory,
            CallForm(
                inputSize: ImportIsolatedPagesInput.size, repetition: CallForm.Repetition(inputSize: 8, batch: 510)),
            "Makes pages part of what an isolated guest is measured with. No partition is isolated here.",
            input: "hv_input_import_isolated_pages", statuses: refusals, mshv: .ioctl("MSHV_IMPORT_ISOLATED_PAGES")),
        CallDefinition(
            .completeIsolatedImport, .memory, CallForm(inputSize: CompleteIsolatedImportInput.size),
            "Ends the measuring of an isolated guest. No partition is isolated here.",
            input: "hv_input_complete_isolated_import", statuses: refusals,
            mshv: .ioctl("MSHV_COMPLETE_ISOLATED_IMPORT")),
        CallDefinition(
            .issueSnpPspGuestRequest, .memory, CallForm(inputSize: IsolatedGuestRequestInput.size),
            "Hands an isolated guest's request to the processor's firmware. No partition is isolated here.",
            input: "hv_input_issue_psp_guest_request", statuses: refusals,
            mshv: .ioctl("MSHV_ISSUE_PSP_GUEST_REQUEST")),
    ]

    private static let refusals: [HypercallStatus] = [
        .invalidPartitionId, .invalidPartitionState, .featureUnavailable,
    ]
}
