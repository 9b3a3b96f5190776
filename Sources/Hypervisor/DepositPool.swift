import LinuxSystem
import Synchronization

/// Where the pages come from that are deposited to a hypervisor: addresses of this process that nobody can touch, so
/// that a deposit costs no memory, known to the hypervisor as root memory.
///
/// One pool serves all partitions of a hypervisor in this process, because pages that creating a partition costs are
/// deposited to the root and stay there when the partition is gone.
package final class DepositPool: Sendable {
    /// Bytes that are reserved at a time; a multiple of the page size.
    private static let chunkSize = 64 << 20

    private struct State {
        var chunks: [Chunk] = []
        /// Pages that are not deposited.
        var free = ExtentMap<Member>()
    }

    private final class Chunk: Sendable {
        let mapping: MemoryMapping
        init() throws(Errno) { mapping = try MemoryMapping(anonymous: DepositPool.chunkSize, accessible: false) }
    }

    private let state = Mutex(State())

    package init() {}

    /// Takes `count` pages out of the pool, which grows as needed.
    ///
    /// - Parameter backend: the hypervisor that this pool serves.
    /// - Returns: page numbers of the root.
    package func take(_ count: Int, for backend: any HypervisorBackend) throws(HypervisorError) -> [UInt64] {
        try state.withLock { state throws(HypervisorError) in
            var pages: [UInt64] = []
            pages.reserveCapacity(count)
            while pages.count < count {
                guard let extent = state.free.extents.first else {
                    try Self.grow(&state, backend)
                    continue
                }
                let taken = min(UInt64(count - pages.count), extent.range.upperBound - extent.range.lowerBound)
                let range = extent.range.lowerBound..<(extent.range.lowerBound + taken)
                pages.append(contentsOf: range)
                state.free.replace(range, with: nil)
            }
            return pages
        }
    }

    /// Puts pages back that `take` gave and the hypervisor no longer has.
    package func putBack(_ pages: some Sequence<UInt64>) {
        state.withLock { state in
            for run in pageRuns(pages) { state.free.replace(run, with: Member()) }
        }
    }

    private static func grow(_ state: inout State, _ backend: any HypervisorBackend) throws(HypervisorError) {
        let chunk: Chunk
        do throws(Errno) {
            chunk = try Chunk()
        } catch {
            throw HypervisorError("reserving \(chunkSize) bytes of addresses for memory to deposit: \(error)")
        }
        backend.registerRootMemory(base: chunk.mapping.base, count: chunk.mapping.count)
        let first = UInt64(UInt(bitPattern: chunk.mapping.base)) / UInt64(pageSize)
        state.free.replace(first..<(first + UInt64(chunk.mapping.count / pageSize)), with: Member())
        state.chunks.append(chunk)
    }
}

extension DepositPool {
    private struct Entry {
        weak var backend: (any HypervisorBackend)?
        let pool: DepositPool
    }

    /// The pool of each hypervisor that is in use. A pool lives as long as its hypervisor, not as its partitions.
    private static let pools = Mutex<[ObjectIdentifier: Entry]>([:])

    /// The pool that serves `backend`.
    package static func of(_ backend: any HypervisorBackend) -> DepositPool {
        pools.withLock { pools in
            // An identifier is used again when its object is gone; the weak reference tells.
            if let entry = pools[ObjectIdentifier(backend)], entry.backend === backend { return entry.pool }
            pools = pools.filter { $0.value.backend != nil }
            let pool = DepositPool()
            pools[ObjectIdentifier(backend)] = Entry(backend: backend, pool: pool)
            return pool
        }
    }
}

/// Joins page numbers that follow each other.
package func pageRuns(_ pages: some Sequence<UInt64>) -> [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    for page in pages where page < UInt64.max {
        if let last = runs.last, last.upperBound == page {
            runs[runs.count - 1] = last.lowerBound..<(page + 1)
        } else {
            runs.append(page..<(page + 1))
        }
    }
    return runs
}
