import Glibc
import LinuxSystem
import Synchronization

/// What a guest's memory is made of on the host: pages of which size, from which NUMA nodes, and when.
package struct MemoryBacking: Sendable, Equatable {
    package enum Pages: String, Sendable, CaseIterable {
        /// As the host's setting of transparent huge pages has it.
        case auto
        /// Small ones only.
        case small = "4KiB"
        /// Of the host's pools of huge pages.
        case huge2M = "2MiB"
        case huge1G = "1GiB"

        /// Bytes of a page of a pool; nil where none is used.
        package var poolPageSize: UInt64? {
            switch self {
            case .auto, .small: nil
            case .huge2M: 2 << 20
            case .huge1G: 1 << 30
            }
        }
    }

    package var pages = Pages.auto
    /// The NUMA nodes that it comes from; nil: wherever the kernel takes it.
    package var nodes: IndexList?
    package var nodePolicy = HostPlacement.NodePolicy.bind
    /// Whether all of it is there before the guest starts. That of a pool always is: a page that is missing when it is
    /// touched would be the end of the process.
    package var isPrefaulted = false

    package init() {}

    /// Which step the kernel refused.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package enum Step: Sendable { case mapping, placing, filling }
        package var step: Step
        package var error: Errno

        init(_ step: Step, _ error: Errno) {
            self.step = step
            self.error = error
        }

        package var description: String {
            switch step {
            case .mapping: "it can't be mapped: \(error)"
            case .placing: "it can't be placed on its NUMA nodes: \(error)"
            case .filling: "the host has not all of its pages: \(error)"
            }
        }
    }

    private var fills: Bool { isPrefaulted || pages.poolPageSize != nil }

    /// The same for memory that is plugged later: it can't be of a pool, whose pages would have to be there.
    var growing: MemoryBacking {
        var result = self
        result.isPrefaulted = false
        if pages.poolPageSize != nil { result.pages = .auto }
        return result
    }

    func map(_ count: Int, accessible: Bool) throws(Failure) -> MemoryMapping {
        do throws(Errno) {
            if accessible, let size = pages.poolPageSize {
                return try MemoryMapping(hugePages: count, of: Int(size))
            }
            return try MemoryMapping(
                anonymous: count, accessible: accessible, shared: false, alignment: Int(GuestMemory.granularity))
        } catch {
            throw Failure(.mapping, error)
        }
    }

    /// Before the memory is touched.
    func prepare(_ base: UnsafeMutableRawPointer, _ count: Int) throws(Failure) {
        if pages == .small { madvise(base, count, MADV_NOHUGEPAGE) }
        do throws(Errno) {
            if let nodes { try HostPlacement.place(base, count, on: nodes, nodePolicy) }
        } catch {
            throw Failure(.placing, error)
        }
        guard fills else { return }
        do throws(Errno) {
            try Self.inPieces(base, count) { (piece, count) throws(Errno) in
                try HostPlacement.populate(piece, count)
            }
        } catch {
            throw Failure(.filling, error)
        }
    }

    /// Makes all of it zero. What was filled stays filled.
    func zero(_ base: UnsafeMutableRawPointer, _ count: Int) {
        if !fills, madvise(base, count, MADV_DONTNEED) == 0 { return }
        // It can't fail.
        try? Self.inPieces(base, count) { (piece, count) throws(Errno) in memset(piece, 0, count) }
    }

    private static let piece = 1 << 30
    private static let mostThreads = 8

    /// Calls `body` for each GiB, on several threads where there are several. The first failure ends it.
    private static func inPieces(
        _ base: UnsafeMutableRawPointer, _ count: Int,
        _ body: @escaping @Sendable (UnsafeMutableRawPointer, Int) throws(Errno) -> Void
    ) throws(Errno) {
        let address = UInt(bitPattern: base)
        let pieces = (count + piece - 1) / piece
        let next = Atomic(0)
        let failure = Mutex<Errno?>(nil)
        let work: @Sendable () -> Void = {
            while failure.withLock({ $0 == nil }) {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < pieces,
                    let start = UnsafeMutableRawPointer(bitPattern: address + UInt(index * piece))
                else { return }
                do throws(Errno) {
                    try body(start, min(piece, count - index * piece))
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
        }
        let threads = (1..<max(1, min(pieces, mostThreads))).compactMap { _ in
            try? SystemThread(name: "memory", work)
        }
        work()
        for thread in threads { thread.join() }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}
