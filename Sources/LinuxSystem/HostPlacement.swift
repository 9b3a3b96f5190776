import CLinux

/// Where on the machine threads run and memory lies.
package enum HostPlacement {
    /// Lets the calling thread run on these processors only; threads that it makes begin so too.
    ///
    /// - Throws: `EINVAL` where none of them can be used.
    package static func runThread(on processors: IndexList) throws(Errno) {
        let mask = processors.mask
        let code = mask.withUnsafeBufferPointer { hv_set_affinity($0.baseAddress, $0.count) }
        if code != 0 { throw Errno(code) }
    }

    /// The processors that the calling thread may run on.
    package static var threadProcessors: IndexList? {
        var mask = [UInt64](repeating: 0, count: IndexList.limit / 64)
        let words = mask.withUnsafeMutableBufferPointer { hv_get_affinity($0.baseAddress, $0.count) }
        guard words > 0 else { return nil }
        return IndexList((0..<Int(words) * 64).filter { mask[$0 / 64] >> UInt64($0 % 64) & 1 != 0 })
    }

    /// How the kernel takes memory from NUMA nodes (set_mempolicy(2)).
    package enum NodePolicy: String, Sendable, CaseIterable {
        /// From these nodes or not at all.
        case bind
        /// From the first of them while it has some.
        case preferred
        /// From each in turn.
        case interleave
    }

    /// Says where the pages of a mapping that were not touched yet shall come from.
    package static func place(
        _ base: UnsafeMutableRawPointer, _ count: Int, on nodes: IndexList, _ policy: NodePolicy
    ) throws(Errno) {
        let (preferred, bind, interleave): (Int32, Int32, Int32) = (1, 2, 3)
        let mode =
            switch policy {
            case .bind: bind
            case .preferred: preferred
            case .interleave: interleave
            }
        let mask = (policy == .preferred ? IndexList(nodes.indices.prefix(1)) : nodes).mask
        let code = mask.withUnsafeBufferPointer { hv_mbind(base, count, mode, $0.baseAddress, $0.count) }
        if code != 0 { throw Errno(code) }
    }

    /// Gives every page of a range its memory now.
    ///
    /// - Throws: `ENOMEM` where the host has not as much, `EFAULT` where pages of the wanted size or node ran out.
    package static func populate(_ base: UnsafeMutableRawPointer, _ count: Int) throws(Errno) {
        let code = hv_populate(base, count)
        if code != 0 { throw Errno(code) }
    }
}
