import BlockStorage
import Glibc
import GuestMemory
import LinuxSystem

/// Serves one queue of a block device: takes requests, has them carried out, and gives them back as they end. For the
/// queue's own thread.
final class BlockQueueLoop {
    private(set) var queue: VirtQueue
    private let index: Int
    private let target: BlockTarget
    private let engine: any BlockEngine
    private let memory: GuestMemory
    private let signals: any VirtioSignals
    private let features: UInt64
    private let requests: RequestTable
    private var held: HeldRequest?
    /// The driver broke a rule: nothing more is taken from it.
    private var isBroken = false

    init(
        _ queue: VirtQueue, index: Int, target: BlockTarget, engine: any BlockEngine, memory: GuestMemory,
        features: UInt64, signals: any VirtioSignals
    ) {
        self.queue = queue
        self.index = index
        self.target = target
        self.engine = engine
        self.memory = memory
        self.features = features
        self.signals = signals
        // A driver that makes more available than its queue holds at a time breaks a rule; it gets no more memory
        // of ours for it.
        requests = RequestTable(count: Int(queue.layout.size))
    }

    /// Serves until `isStopping` says so; what is under way then is brought to its end.
    func run(wake: EventFD, isStopping: () -> Bool) {
        while true {
            wake.drain()
            let stops = isStopping()
            do throws(VirtQueueError) {
                let didWork = try step(takesNew: !stops && !isBroken, isStopping: stops)
                if didWork { continue }
                if stops, requests.isEmpty, held == nil { return }
                // Notifications are wanted only by one who is about to sleep, and can take what they tell of.
                let takesNew = !stops && !isBroken && held == nil && requests.hasRoom
                if takesNew, try queue.setNotifications(true) { continue }
                wait(wake)
                // While this thread is awake it looks by itself.
                if !isBroken { _ = try queue.setNotifications(false) }
            } catch {
                fail(error)
            }
        }
    }

    private func fail(_ error: VirtQueueError) {
        guard !isBroken else { return }
        isBroken = true
        held = nil
        signals.needsReset(error)
    }

    private func wait(_ wake: EventFD) {
        var entries = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        if let descriptor = engine.descriptor, !requests.isEmpty {
            entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
        var milliseconds: Int32 = -1
        if let until = held?.until {
            let now = monotonicNanoseconds()
            milliseconds = until > now ? Int32(clamping: (until - now) / 1_000_000 + 1) : 0
        }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
    }

    /// - Returns: whether something was begun or ended.
    private func step(takesNew: Bool, isStopping: Bool) throws(VirtQueueError) -> Bool {
        var didWork = false
        if let request = held {
            held = nil
            // A stop waits for no limit: the request was taken, so it has to be answered.
            try begin(request.chain, request.request, isGranted: request.isGranted || isStopping)
            didWork = held == nil
        }
        // No more than the queue holds before those that ended have their turn, however fast the driver is.
        var turn = Int(queue.layout.size)
        while takesNew, held == nil, turn > 0, requests.hasRoom, let chain = try queue.next() {
            didWork = true
            turn -= 1
            try begin(chain, try BlockRequest(chain, memory), isGranted: false)
        }
        engine.kick()
        var failure: VirtQueueError?
        for completion in engine.reap() {
            didWork = true
            do throws(VirtQueueError) {
                try finish(completion)
            } catch {
                // The others have ended too, and are waited for.
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        if didWork, !isBroken, try queue.needsInterrupt() { signals.queueWasUsed(index) }
        return didWork
    }

    // MARK: Requests

    /// - Parameter isGranted: whether the rate limit was asked.
    private func begin(
        _ chain: DescriptorChain, _ request: BlockRequest, isGranted: Bool
    ) throws(VirtQueueError) {
        let planned: BlockPlan
        switch try BlockPlan.of(request, target, memory, features: features) {
        case .answer(let status, let bytes): return try answer(chain, request, status, bytes)
        case .operation(let plan): planned = plan
        }
        let now = monotonicNanoseconds()
        if !isGranted, let until = target.limiter.take(bytes: planned.transferred, now: now) {
            held = HeldRequest(chain: chain, request: request, isGranted: false, until: until)
            return
        }
        guard
            let transfer = try BlockTransfer(
                planned.segments, count: planned.transferred, geometry: target.geometry,
                writes: planned.account == .write, target.bounces, memory)
        else {
            // Other queues may have the memory, and they do not tell when they give it back.
            held = HeldRequest(chain: chain, request: request, isGranted: true, until: now + 1_000_000)
            return
        }
        var operation = BlockOperation(
            token: 0, kind: planned.kind, offset: planned.offset, count: planned.count, vectors: transfer.vectors)
        operation.token = requests.add(
            PendingRequest(
                chain: chain, status: request.status, account: planned.account, count: planned.count,
                written: UInt32(clamping: planned.account == .read ? planned.count + 1 : 1), transfer: transfer))
        engine.submit(operation)
    }

    /// Gives a request back that needs nothing of the image.
    private func answer(
        _ chain: DescriptorChain, _ request: BlockRequest, _ status: UInt8, _ bytes: [UInt8]
    ) throws(VirtQueueError) {
        var left = bytes[...]
        for segment in request.input where !left.isEmpty {
            let piece = Array(left.prefix(Int(segment.count)))
            left = left.dropFirst(piece.count)
            try store(piece, at: segment.gpa)
        }
        if status != BlockRequest.Status.ok, let kind = BlockAccount.Kind(request.kind) {
            target.account(BlockAccount(kind: kind, bytes: 0, hasFailed: true))
        }
        try store([status], at: request.status)
        try queue.complete(chain, written: UInt32(bytes.count + 1))
    }

    private func finish(_ completion: BlockCompletion) throws(VirtQueueError) {
        guard let pending = requests.remove(completion.token) else { return }
        let hasFailed = completion.error != nil
        target.account(
            BlockAccount(kind: pending.account, bytes: hasFailed ? 0 : pending.count, hasFailed: hasFailed))
        if !hasFailed, pending.account == .read { pending.transfer.deliver(to: memory) }
        // A driver that broke a rule has no claim to answers: its queue is as it was.
        guard !isBroken else { return }
        try store([hasFailed ? BlockRequest.Status.ioError : BlockRequest.Status.ok], at: pending.status)
        try queue.complete(pending.chain, written: hasFailed ? 1 : pending.written)
    }

    private func store(_ bytes: [UInt8], at gpa: UInt64) throws(VirtQueueError) {
        do throws(GuestMemoryError) {
            try memory.write(gpa, bytes)
        } catch {
            throw VirtQueueError("an answer's place is not in guest memory: \(error)")
        }
    }
}

/// A request that was taken and has to wait for the rate limit or for memory.
private struct HeldRequest {
    let chain: DescriptorChain
    let request: BlockRequest
    /// Whether the rate limit has let it pass.
    let isGranted: Bool
    /// When to try again, monotonic nanoseconds.
    let until: UInt64
}

/// A request whose operation is under way.
final class PendingRequest {
    let chain: DescriptorChain
    /// Where its status goes.
    let status: UInt64
    let account: BlockAccount.Kind
    let count: UInt64
    /// Bytes that the guest is told were written.
    let written: UInt32
    let transfer: BlockTransfer

    init(
        chain: DescriptorChain, status: UInt64, account: BlockAccount.Kind, count: UInt64, written: UInt32,
        transfer: consuming BlockTransfer
    ) {
        self.chain = chain
        self.status = status
        self.account = account
        self.count = count
        self.written = written
        self.transfer = transfer
    }
}

/// The requests under way, by token.
final class RequestTable {
    private var slots: [PendingRequest?]
    private var free: [Int]

    init(count: Int) {
        slots = Array(repeating: nil, count: count)
        free = Array((0..<count).reversed())
    }

    var hasRoom: Bool { !free.isEmpty }
    var isEmpty: Bool { free.count == slots.count }

    /// - Returns: the request's token. There must be room.
    func add(_ request: PendingRequest) -> Int {
        guard let token = free.popLast() else {
            // Not reached: nothing is taken from a queue without room here. It is kept all the same.
            slots.append(request)
            return slots.count - 1
        }
        slots[token] = request
        return token
    }

    func remove(_ token: Int) -> PendingRequest? {
        guard slots.indices.contains(token), let request = slots[token] else { return nil }
        slots[token] = nil
        free.append(token)
        return request
    }
}
