import GuestMemory
import LinuxSystem
import NetworkBackends

/// All pairs of queues of a network device that runs: by the kernel where that may be, else by a thread each.
final class NetPairs: Sendable {
    /// By number; nil for those that the driver does not use, and where the host has no thread left.
    private let pairs: [(any NetPair)?]
    /// There while the kernel serves.
    private let watch: VhostWatch?

    init(
        _ queues: [NetPairQueues], wakes: [EventFD?], target: NetTarget, kernel: NetKernelPath?, memory: GuestMemory,
        features: UInt64, signals: any VirtioSignals, report: @Sendable (String) -> Void
    ) {
        func wake(_ pair: Int) -> EventFD? { wakes.indices.contains(pair) ? wakes[pair] : nil }
        if let kernel, kernel.isAllowed() {
            do throws(VhostFailure) {
                (pairs, watch) = try Self.served(
                    queues, wake, by: kernel, target, memory: memory, features: features, signals: signals)
                return
            } catch {
                report("the host's kernel does not serve the network interface, this process does: \(error)")
            }
        }
        watch = nil
        pairs = queues.enumerated().map { pair, both in
            guard both.receive != nil || both.send != nil else { return nil }
            do throws(Errno) {
                return try NetPairThread(
                    both, wake: wake(pair), pair: pair, target: target, memory: memory, features: features,
                    signals: signals)
            } catch {
                report("pair \(pair) of a network interface's queues has no thread: \(error)")
                signals.needsReset(VirtQueueError("the host has no thread for pair \(pair)"))
                return nil
            }
        }
    }

    /// All pairs by the kernel: of one interface it can't count some.
    private static func served(
        _ queues: [NetPairQueues], _ wake: (Int) -> EventFD?, by kernel: NetKernelPath, _ target: NetTarget,
        memory: GuestMemory, features: UInt64, signals: any VirtioSignals
    ) throws(VhostFailure) -> ([(any NetPair)?], VhostWatch) {
        let before = TapCounters(of: kernel)
        var served: [VhostPair?] = []
        do throws(VhostFailure) {
            for (pair, both) in queues.enumerated() {
                guard both.receive != nil || both.send != nil else {
                    served.append(nil)
                    continue
                }
                served.append(
                    try VhostPair(
                        both, wake: wake(pair), pair: pair, tap: target.backend.queues[pair].descriptor, memory: memory,
                        features: features, signals: signals))
            }
            do throws(Errno) {
                let watch = try VhostWatch(
                    kernel, before: before, errors: served.compactMap { $0?.error }, account: target.account,
                    broken: { signals.needsReset(VirtQueueError("vhost-net found a rule of the queues broken")) })
                return (served, watch)
            } catch {
                throw VhostFailure(description: "nobody can watch over it: \(error)")
            }
        } catch {
            for pair in served { _ = pair?.finish() }
            throw error
        }
    }

    var isServedByKernel: Bool { watch != nil }

    /// What the driver's notifications of a pair signal.
    func wake(_ pair: Int) -> EventFD? { pairs.indices.contains(pair) ? pairs[pair]?.wake : nil }
    var wakes: [EventFD?] { pairs.map { $0?.wake } }

    /// Ends all; the queues as they were left. Once.
    func end() -> [NetPairQueues] {
        // All are told before the first is waited for.
        for pair in pairs { pair?.requestStop() }
        let left = pairs.map { $0?.finish() ?? NetPairQueues() }
        watch?.end()
        return left
    }
}
