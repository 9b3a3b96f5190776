import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends

/// The transmit queue of a pair: gives the driver's packets to the backend, from where they are.
final class NetSender {
    private(set) var queue: VirtQueue
    private let target: NetTarget
    private let backend: any NetworkQueue
    private let memory: GuestMemory
    private let offloads: NetworkOffloads
    /// A copy of virtio's header and the Ethernet header: what is checked is what is sent.
    private let head: UnsafeMutableRawBufferPointer
    private let vectors: UnsafeMutableBufferPointer<iovec>

    /// When to go on, monotonic nanoseconds: the limit is reached.
    private(set) var until: UInt64?

    private static let ethernetHeader = 14
    private static let headSize = PacketHeader.size + ethernetHeader
    private static let sourceOffset = PacketHeader.size + 6

    init(
        _ queue: VirtQueue, target: NetTarget, backend: any NetworkQueue, memory: GuestMemory, features: UInt64
    ) {
        self.queue = queue
        self.target = target
        self.backend = backend
        self.memory = memory
        offloads = NetFeature.sendOffloads(features)
        head = .allocate(byteCount: Self.headSize, alignment: 16)
        // No chain has more segments than the queue has elements.
        vectors = .allocate(capacity: Int(queue.layout.size) + 1)
    }

    deinit {
        head.deallocate()
        vectors.deallocate()
    }

    /// - Returns: whether something was taken.
    func step(_ account: inout NetAccount) throws(VirtQueueError) -> Bool {
        until = nil
        var didWork = false
        for _ in 0..<NetLimit.turn {
            var ahead = queue
            guard let chain = try ahead.next() else { break }
            try chain.readable.check(memory)
            let bytes =
                chain.readableCount > UInt64(PacketHeader.size) ? chain.readableCount - UInt64(PacketHeader.size) : 0
            until = target.sendLimiter.take(bytes: bytes, now: monotonicNanoseconds())
            guard until == nil else { break }
            queue = ahead
            didWork = true
            if try send(chain, Int(clamping: bytes), &account) {
                account.sent.packets += 1
                account.sent.bytes += bytes
            } else {
                account.sent.dropped += 1
            }
            try queue.complete(chain, written: 0)
        }
        return didWork
    }

    /// - Parameter count: the packet's bytes behind virtio's header.
    /// - Returns: false for a packet that was dropped.
    private func send(
        _ chain: DescriptorChain, _ count: Int, _ account: inout NetAccount
    ) throws(VirtQueueError) -> Bool {
        guard count >= Self.ethernetHeader, count <= NetLimit.packetSize else { return false }
        head.copyBytes(from: try chain.readable.copy(Self.headSize, memory))
        var header = PacketHeader(UnsafeRawBufferPointer(head))
        // Other flags say nothing in this direction.
        header.flags &= PacketHeader.Flag.needsChecksum
        guard header.isAllowed(offloads), header.isSegmented || count <= target.backend.mtu + NetLimit.linkHeader else {
            return false
        }
        head[0] = header.flags
        head[PacketHeader.buffersOffset] = 0
        head[PacketHeader.buffersOffset + 1] = 0
        let source = head[Self.sourceOffset..<Self.sourceOffset + 6]
        guard target.allowsSpoofing || source.elementsEqual(target.mac.bytes) else {
            account.spoofed += 1
            return false
        }
        vectors[0] = iovec(iov_base: head.baseAddress, iov_len: Self.headSize)
        var parts = 1
        for segment in chain.readable.dropping(UInt32(Self.headSize)) where parts < vectors.count {
            guard let slice = memory.slice(segment.gpa, Int(segment.count)) else { return false }
            vectors[parts] = iovec(iov_base: slice.baseAddress, iov_len: slice.count)
            parts += 1
        }
        do throws(Errno) {
            try backend.send(UnsafeBufferPointer(rebasing: vectors[..<parts]))
            return true
        } catch {
            return false
        }
    }

    func needsInterrupt() throws(VirtQueueError) -> Bool { try queue.needsInterrupt() }

    /// Asks for notifications.
    ///
    /// - Returns: true where there are more packets meanwhile.
    func prepareToSleep() throws(VirtQueueError) -> Bool {
        // At the limit nothing is taken, whatever comes.
        guard until == nil else { return false }
        return try queue.setNotifications(true)
    }

    func wokeUp() throws(VirtQueueError) { _ = try queue.setNotifications(false) }
}
