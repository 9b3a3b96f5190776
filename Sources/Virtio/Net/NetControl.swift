import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization

/// A command of the driver on the control queue (virtio 1.2, 5.1.6.5).
enum NetCommand: Equatable {
    /// So many pairs of queues are in use from now on.
    case setPairs(Int)
    /// Received packets may leave to the driver what these features say.
    case setGuestOffloads(UInt64)
    case unknown

    static let ok: UInt8 = 0
    static let error: UInt8 = 1

    private enum Class {
        static let multiQueue: UInt8 = 4
        static let guestOffloads: UInt8 = 5
    }

    /// No command is longer.
    private static let maximumSize = 2 + 8

    /// - Throws: `VirtQueueError` for a chain without room for a command or its answer, or outside of guest memory.
    init(_ chain: DescriptorChain, _ memory: GuestMemory) throws(VirtQueueError) {
        try chain.readable.check(memory)
        try chain.writable.check(memory)
        guard chain.readableCount >= 2, chain.writableCount >= 1 else {
            throw VirtQueueError(
                "a network command of \(chain.readableCount) bytes to read and \(chain.writableCount) to write")
        }
        let bytes = try chain.readable.copy(Self.maximumSize, memory)
        func number(_ count: Int) -> UInt64? {
            guard bytes.count >= 2 + count else { return nil }
            return (0..<count).reduce(0) { $0 | UInt64(bytes[2 + $1]) << (8 * UInt64($1)) }
        }
        switch (bytes[0], bytes[1]) {
        case (Class.multiQueue, 0): self = number(2).map { .setPairs(Int($0)) } ?? .unknown
        case (Class.guestOffloads, 0): self = number(8).map(Self.setGuestOffloads) ?? .unknown
        default: self = .unknown
        }
    }

    /// Does it.
    ///
    /// - Returns: whether it was allowed and done.
    func carryOut(_ target: NetTarget, features: UInt64) -> Bool {
        do throws(Errno) {
            switch self {
            case .setPairs(let count):
                guard features & NetFeature.multiQueue != 0, count >= 1, count <= target.backend.queues.count else {
                    return false
                }
                guard count != target.activePairs.load(ordering: .relaxed) else { return true }
                guard target.mayChangeBackend() else { return false }
                try target.setActive(pairs: count)
            case .setGuestOffloads(let wanted):
                guard features & NetFeature.controlGuestOffloads != 0,
                    wanted & ~(features & NetFeature.guestOffloads) == 0
                else { return false }
                let offloads = NetFeature.receiveOffloads(wanted)
                guard offloads != target.receiveOffloads else { return true }
                guard target.mayChangeBackend() else { return false }
                try target.setReceiveOffloads(offloads)
            case .unknown: return false
            }
            return true
        } catch {
            return false
        }
    }
}

extension NetTarget {
    /// Uses the first `pairs` pairs from now on.
    func setActive(pairs: Int) throws(Errno) {
        // Those that go are left alone before the backend takes them away, those that come after it has given them.
        let before = activePairs.load(ordering: .relaxed)
        activePairs.store(min(before, pairs), ordering: .releasing)
        try backend.setActive(queues: pairs)
        activePairs.store(pairs, ordering: .releasing)
    }

    func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {
        try backend.setReceiveOffloads(offloads)
        receiveOffloads = offloads
    }
}

/// The control queue of a running device.
struct NetControlQueue {
    var queue: VirtQueue
    /// Its number.
    let index: Int
    /// Where a driver goes on making commands available, the rest waits for its next notification: no processor's
    /// thread is kept for long.
    private static let turn = 64

    /// - Returns: whether the driver wants an interrupt.
    mutating func serve(
        _ target: NetTarget, features: UInt64, memory: GuestMemory
    ) throws(VirtQueueError) -> Bool {
        for _ in 0..<Self.turn {
            guard let chain = try queue.next() else { break }
            let isDone = try NetCommand(chain, memory).carryOut(target, features: features)
            guard let answer = chain.writable.first(where: { $0.count > 0 }) else { continue }
            do throws(GuestMemoryError) {
                try memory.write(answer.gpa, [isDone ? NetCommand.ok : NetCommand.error])
            } catch {
                throw VirtQueueError("an answer's place is not in guest memory: \(error)")
            }
            try queue.complete(chain, written: 1)
        }
        return try queue.needsInterrupt()
    }
}
