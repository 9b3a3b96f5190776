import HypercallABI
import HypercallCore

/// How many pages Linux's driver deposits for a call (drivers/hv; determined empirically there).
package enum DepositCount {
    /// Before initializing a partition.
    package static let initializePartition = 208
    /// Before creating a virtual processor.
    package static let createVP = 90
    /// Each time mapping guest memory runs out.
    package static let mapGPAPages = 256
    /// Each time any other call runs out.
    package static let retry = 1
}

/// Deposits memory and repeats calls that ran out of it.
struct Deposits {
    let backend: any HypervisorBackend
    let client: HypercallClient
    let pool: DepositPool

    /// A hypervisor that still lacks memory after so many deposits in a row has another problem.
    private static let maximumRetries = 8192

    /// Makes a simple call until it ends otherwise than with `insufficientMemory`, with one page more each time.
    ///
    /// - Parameters:
    ///   - partition: whose pool grows; `.own` is the root's.
    ///   - deposited: grows by the pages that it took, also where the call fails in the end.
    func retrying<Result>(
        depositTo partition: PartitionID, counting deposited: inout UInt64,
        _ call: () throws(HypercallFailure) -> Result
    ) throws(HypervisorError) -> Result {
        var retries = 0
        while true {
            do throws(HypercallFailure) {
                return try call()
            } catch {
                let name = partition == .own ? "" : " (partition \(partition))"
                guard error.status == .insufficientMemory, retries < Self.maximumRetries else {
                    throw HypervisorError("\(error)\(name)")
                }
            }
            try deposit(DepositCount.retry, to: partition)
            deposited += UInt64(DepositCount.retry)
            retries += 1
        }
    }

    /// Deposits `count` pages.
    func deposit(_ count: Int, to partition: PartitionID) throws(HypervisorError) {
        let pages = try pool.take(count, for: backend)
        do throws(HypercallFailure) {
            try client.depositMemory(pages, to: partition)
        } catch {
            pool.putBack(pages[min(error.repsCompleted, pages.count)...])
            let owner = partition == .own ? "the root" : "partition \(partition)"
            throw HypervisorError("depositing \(count) pages to \(owner): \(error)")
        }
    }

    /// Takes back what a finalized partition's pool has.
    func withdrawAll(from partition: PartitionID) {
        // A failure ends it: what the hypervisor keeps is not free, so it stays out of the pool.
        while let pages = try? client.withdrawMemory(from: partition, maximum: 4096), !pages.isEmpty {
            pool.putBack(pages)
        }
    }
}
