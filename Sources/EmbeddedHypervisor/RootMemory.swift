import HypercallABI
import Hypervisor
import Synchronization

/// What the root's memory is used for. Pages are the root's page numbers: address / 4096 in this process.
///
/// The rules (TLFS, "Guest Physical Address Spaces"): a page that is deposited belongs to the hypervisor alone, so it
/// can neither be deposited again nor be mapped, and a page that a guest has can't be deposited. The same page may be
/// mapped more than once.
final class RootMemory: Sendable {
    private enum Use: ExtentValue {
        case deposited
        /// So many mappings.
        case mapped(Int)
        func advanced(by pages: UInt64) -> Use { self }
    }

    /// How often a page was registered, so that registrations may overlap.
    private struct Registrations: ExtentValue {
        var count: Int
        func advanced(by pages: UInt64) -> Registrations { self }
    }

    private struct State {
        var registered = ExtentMap<Registrations>()
        var uses = ExtentMap<Use>()
    }

    private let state = Mutex(State())

    func register(_ range: Range<UInt64>) {
        state.withLock { state in
            state.registered.update(range) { Registrations(count: ($0?.count ?? 0) + 1) }
        }
    }

    func unregister(_ range: Range<UInt64>) {
        state.withLock { state in
            state.registered.update(range) { old in
                guard let old, old.count > 1 else { return nil }
                return Registrations(count: old.count - 1)
            }
        }
    }

    /// Makes pages the hypervisor's own.
    ///
    /// - Returns: how many from the start of `range` on, and why not all: `invalidParameter` for a page that is not
    ///   root memory, `operationDenied` for one that is in use.
    func deposit(_ range: Range<UInt64>) -> (count: UInt64, status: HypercallStatus) {
        state.withLock { state in
            let (count, status) = Self.usable(range, state) { $0 == nil }
            state.uses.replace(range.lowerBound..<(range.lowerBound + count), with: .deposited)
            return (count, status)
        }
    }

    /// The end of `deposit`.
    func withdraw(_ pages: [UInt64]) {
        state.withLock { state in
            // Withdrawn pages come in runs.
            for run in pageRuns(pages) { state.uses.replace(run, with: nil) }
        }
    }

    /// Counts one more mapping of pages.
    ///
    /// - Returns: as `deposit`; `operationDenied` for a page that is deposited.
    func retain(_ range: Range<UInt64>) -> (count: UInt64, status: HypercallStatus) {
        state.withLock { state in
            let (count, status) = Self.usable(range, state) { $0 != .deposited }
            state.uses.update(range.lowerBound..<(range.lowerBound + count)) { old in
                if case .mapped(let mappings) = old { .mapped(mappings + 1) } else { .mapped(1) }
            }
            return (count, status)
        }
    }

    /// The end of `retain`.
    func release(_ range: Range<UInt64>) {
        state.withLock { state in
            state.uses.update(range) { old in
                switch old {
                case .mapped(let mappings) where mappings > 1: .mapped(mappings - 1)
                case .deposited: .deposited
                default: nil
                }
            }
        }
    }

    /// Whether the root itself may use a page: `invalidParameter` for one that is not root memory, `operationDenied`
    /// for one that is deposited.
    func checkUse(of page: UInt64) -> HypercallStatus {
        guard page < 1 << 52 else { return .invalidParameter }
        return state.withLock { state in
            if state.registered[page] == nil { return .invalidParameter }
            return state.uses[page] == .deposited ? .operationDenied : .success
        }
    }

    /// Pages that are deposited, to anyone.
    var depositedPages: UInt64 {
        state.withLock { state in
            state.uses.extents.reduce(0) { sum, extent in
                extent.value == .deposited ? sum + (extent.range.upperBound - extent.range.lowerBound) : sum
            }
        }
    }

    /// Mappings of pages, each page as often as it is mapped.
    var mappedPages: UInt64 {
        state.withLock { state in
            state.uses.extents.reduce(0) { sum, extent in
                guard case .mapped(let mappings) = extent.value else { return sum }
                return sum + (extent.range.upperBound - extent.range.lowerBound) * UInt64(mappings)
            }
        }
    }

    private static func usable(
        _ range: Range<UInt64>, _ state: State, by rule: (Use?) -> Bool
    ) -> (count: UInt64, status: HypercallStatus) {
        let total = range.upperBound - range.lowerBound
        let registered = state.registered.prefixCount(of: range) { $0 != nil }
        let allowed = state.uses.prefixCount(of: range, where: rule)
        if registered <= allowed { return (registered, registered < total ? .invalidParameter : .success) }
        return (allowed, .operationDenied)
    }
}
