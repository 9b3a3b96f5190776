import HypercallABI

extension HypercallDispatcher {
    func isolation(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .importIsolatedPages:
            return handler.importIsolatedPages(
                try ImportIsolatedPagesInput(decoding: call.input), pages: try call.list())
        case .completeIsolatedImport:
            try handler.completeIsolatedImport(CompleteIsolatedImportInput(decoding: call.input))
        case .issueSnpPspGuestRequest:
            try handler.issueIsolatedGuestRequest(IsolatedGuestRequestInput(decoding: call.input))
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
