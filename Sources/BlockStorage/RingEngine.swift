import CURing
import Glibc
import LinuxSystem

/// Carries operations out by io_uring: many at a time, none of which keeps the thread.
final class RingEngine: BlockEngine {
    private let file: RawFile
    private let ring: OpaquePointer
    /// What is under way, by token: short transfers go on from here.
    private var operations: [BlockOperation?]
    private var ended: [BlockCompletion] = []
    private var taken: [hv_ring_completion]

    /// - Throws: `Errno` where the kernel refuses io_uring.
    init(_ file: RawFile, depth: Int) throws(Errno) {
        var made: OpaquePointer?
        let code = hv_ring_make(UInt32(clamping: max(depth, 1)), &made)
        guard code == 0, let made else { throw Errno(code < 0 ? -code : ENOMEM) }
        ring = made
        self.file = file
        operations = Array(repeating: nil, count: max(depth, 1))
        taken = Array(repeating: hv_ring_completion(), count: 64)
    }

    // Nothing is under way any more: whoever owns an engine reaps all that it submitted.
    deinit { hv_ring_free(ring) }

    var descriptor: Int32? { hv_ring_descriptor(ring) }
    var name: String { "io_uring" }

    func submit(_ operation: BlockOperation) {
        guard operations.indices.contains(operation.token) else {
            ended.append(BlockCompletion(token: operation.token, error: Errno(EINVAL)))
            return
        }
        operations[operation.token] = operation
        begin(operation)
    }

    private func begin(_ operation: BlockOperation) {
        for _ in 0..<2 {
            switch note(operation) {
            case 0: return
            // The queue to the kernel is full.
            case -EBUSY: kick()
            default: break
            }
        }
        finish(operation.token, file.perform(operation))
    }

    private func note(_ operation: BlockOperation) -> Int32 {
        let token = UInt64(operation.token)
        let vectors = operation.vectors
        switch operation.kind {
        case .read:
            return hv_ring_read(
                ring, file.raw, vectors.baseAddress, UInt32(clamping: vectors.count), operation.offset, token)
        case .write(let isDurable):
            return hv_ring_write(
                ring, file.raw, vectors.baseAddress, UInt32(clamping: vectors.count), operation.offset, isDurable,
                token)
        case .flush: return hv_ring_sync(ring, file.raw, token)
        case .discard:
            return hv_ring_fallocate(
                ring, file.raw, RawFile.discardMode, operation.offset, operation.count, token)
        case .writeZeroes(let mayUnmap, _):
            return hv_ring_fallocate(
                ring, file.raw, RawFile.zeroMode(mayUnmap: mayUnmap), operation.offset, operation.count, token)
        }
    }

    func kick() {
        while true {
            let code = hv_ring_submit(ring)
            guard code == -EINTR || code == -EAGAIN else { return }
            // The kernel is short of memory: it may have some in a moment.
            if code == -EAGAIN { usleep(1000) }
        }
    }

    func reap() -> [BlockCompletion] {
        while true {
            let count = Int(hv_ring_take(ring, &taken, UInt32(taken.count)))
            for completion in taken.prefix(count) { take(completion) }
            guard count == taken.count else { break }
        }
        // Some may have been begun anew.
        kick()
        defer { ended.removeAll(keepingCapacity: true) }
        return ended
    }

    private func take(_ completion: hv_ring_completion) {
        let token = Int(truncatingIfNeeded: completion.token)
        guard operations.indices.contains(token), var operation = operations[token] else { return }
        let result = completion.result
        switch operation.kind {
        case .read, .write:
            if result == -EINTR { return begin(operation) }
            // What can't be done without waiting after all, or not with these flags.
            if result == -EAGAIN || result == -EOPNOTSUPP { return finish(token, file.perform(operation)) }
            guard result >= 0 else { return finish(token, Errno(-result)) }
            guard result > 0 || operation.count == 0 else { return finish(token, Errno(EIO)) }
            operation.advance(by: UInt64(result))
            guard operation.count > 0 else { return finish(token, nil) }
            operations[token] = operation
            begin(operation)
        case .flush: finish(token, result < 0 ? Errno(-result) : nil)
        case .writeZeroes(_, isDurable: true) where result >= 0:
            operation.kind = .flush
            operations[token] = operation
            begin(operation)
        case .discard, .writeZeroes:
            // The calls that wait know other ways.
            finish(token, result < 0 ? file.perform(operation) : nil)
        }
    }

    private func finish(_ token: Int, _ error: Errno?) {
        operations[token] = nil
        ended.append(BlockCompletion(token: token, error: error))
    }
}
