import HypercallABI

extension HypercallClient {
    /// Whether guest pages were accessed and written; `flags` says what becomes of that afterwards.
    package func gpaAccessStates(
        of partition: PartitionID, gpaPage: UInt64, count: Int, flags: GPAAccessStateFlags = []
    ) throws(HypercallFailure) -> [GPAAccessState] {
        var states: [GPAAccessState] = []
        states.reserveCapacity(max(0, count))
        try repeated(.getGpaPagesAccessStates, count: count) { done in
            GetGPAAccessStatesInput(partition: partition, flags: flags, gpaPage: gpaPage &+ UInt64(done))
        } output: { bytes throws(HypercallStatus) in
            states.append(GPAAccessState(rawValue: try bytes.read(UInt8.self, at: 0)))
        }
        return states
    }

    /// Reads guest memory; the output tells whether there was any.
    package func readGPA(_ input: AccessGPAInput) throws(HypercallFailure) -> ReadGPAOutput {
        try simple(.readGpa, input) { output throws(HypercallStatus) in try ReadGPAOutput(decoding: output) }
    }

    /// Writes guest memory; the result tells whether there was any.
    package func writeGPA(_ input: WriteGPAInput) throws(HypercallFailure) -> GPAAccessResult {
        try simple(.writeGpa, input) { output throws(HypercallStatus) in
            GPAAccessResult(rawValue: try output.read(UInt32.self, at: 0))
        }
    }

    /// Gives the root access to pages that an isolated guest had for itself.
    package func acquireSPAHostAccess(
        _ input: SPAHostAccessInput, pages: [UInt64]
    ) throws(HypercallFailure) {
        try hostAccess(.acquireSparseSpaPageHostAccess, input, pages)
    }

    /// Takes access to pages from the root.
    package func releaseSPAHostAccess(
        _ input: SPAHostAccessInput, pages: [UInt64]
    ) throws(HypercallFailure) {
        try hostAccess(.releaseSparseSpaPageHostAccess, input, pages)
    }

    private func hostAccess(
        _ code: CallCode, _ input: SPAHostAccessInput, _ pages: [UInt64]
    ) throws(HypercallFailure) {
        try repeated(code, count: pages.count) { _ in
            input
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(pages[index], at: 0)
        }
    }
}
