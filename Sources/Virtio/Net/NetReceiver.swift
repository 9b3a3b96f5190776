import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends

/// The receive queue of a pair: takes packets from the backend while the driver has buffers for them.
final class NetReceiver {
    private(set) var queue: VirtQueue
    private let target: NetTarget
    private let backend: any NetworkQueue
    private let memory: GuestMemory
    private let mergesBuffers: Bool
    /// A copy between the backend and the guest: how large a packet is shows only when it is there, and then the
    /// buffers for it are chosen.
    private let buffer: UnsafeMutableRawBufferPointer
    /// The packet in the buffer that has not been delivered: its bytes.
    private var pending: Int?
    private var isGranted = false
    private var used: [UsedChain] = []

    /// The queue behind all that the driver has made available, where it is too little for the next packet.
    private var starved: VirtQueue?
    /// When to go on, monotonic nanoseconds: the limit is reached, or the backend is broken.
    private(set) var until: UInt64?

    /// - Parameter packet: with its header, that was received before and waits for the driver; empty: none.
    init(
        _ queue: VirtQueue, packet: [UInt8] = [], target: NetTarget, backend: any NetworkQueue, memory: GuestMemory,
        features: UInt64
    ) {
        self.queue = queue
        self.target = target
        self.backend = backend
        self.memory = memory
        mergesBuffers = features & NetFeature.mergeableBuffers != 0
        buffer = .allocate(byteCount: NetLimit.bufferSize, alignment: 16)
        if !packet.isEmpty, packet.count <= buffer.count {
            buffer.copyBytes(from: packet)
            if accept(packet.count) { pending = packet.count }
        }
    }

    /// The packet, with its header, that waits for the driver; empty where there is none.
    var waitingPacket: [UInt8] { pending.map { Array(buffer[..<$0]) } ?? [] }

    deinit { buffer.deallocate() }

    /// Whether a packet of the backend is what it waits for.
    var waitsForPackets: Bool { starved == nil && until == nil }

    /// - Returns: whether something was given to the driver.
    func step(_ account: inout NetAccount) throws(VirtQueueError) -> Bool {
        starved = nil
        until = nil
        var didWork = false
        for _ in 0..<NetLimit.turn {
            guard let count = try nextPacket(&account) else { break }
            if !isGranted {
                let bytes = UInt64(count - PacketHeader.size)
                until = target.receiveLimiter.take(bytes: bytes, now: monotonicNanoseconds())
                guard until == nil else { break }
                isGranted = true
            }
            guard try deliver(count, &account) else { break }
            pending = nil
            isGranted = false
            didWork = true
        }
        return didWork
    }

    /// The bytes of the packet in the buffer; nil where there is none or the driver has no buffer for any.
    private func nextPacket(_ account: inout NetAccount) throws(VirtQueueError) -> Int? {
        if let pending { return pending }
        // Packets without a taker are the backend's to keep or drop.
        var ahead = queue
        guard try ahead.next() != nil else {
            starved = ahead
            return nil
        }
        for _ in 0..<NetLimit.turn {
            do throws(Errno) {
                guard let count = try backend.receive(buffer) else { return nil }
                guard accept(count) else {
                    account.received.dropped += 1
                    continue
                }
                pending = count
                return count
            } catch {
                // It may come back: a tap that is down, or one whose queue was detached a moment ago.
                until = monotonicNanoseconds() + NetLimit.pause
                return nil
            }
        }
        // Nothing but packets that are not wanted: the others have their turn.
        until = monotonicNanoseconds()
        return nil
    }

    /// Brings the header to what was negotiated.
    ///
    /// - Returns: false for a packet that the driver can't be given.
    private func accept(_ count: Int) -> Bool {
        guard count > PacketHeader.size, count <= NetLimit.packetSize + PacketHeader.size else { return false }
        var header = PacketHeader(UnsafeRawBufferPointer(buffer))
        let offloads = target.receiveOffloads
        // One that the backend made before the driver wanted less.
        guard header.isAllowed(offloads) else { return false }
        // 5.1.6.4.1: without checksums there are no flags.
        header.flags &=
            offloads.contains(.checksum) ? PacketHeader.Flag.needsChecksum | PacketHeader.Flag.dataIsValid : 0
        buffer[0] = header.flags
        return true
    }

    /// - Returns: false where the driver has not made enough available yet.
    private func deliver(_ count: Int, _ account: inout NetAccount) throws(VirtQueueError) -> Bool {
        // Taken for good only when there is enough.
        var ahead = queue
        used.removeAll(keepingCapacity: true)
        var places: [GuestSegment] = []
        var room = 0
        repeat {
            guard let chain = try ahead.next() else {
                starved = ahead
                return false
            }
            let size = chain.writableCount
            guard size >= UInt64(PacketHeader.size) else {
                throw VirtQueueError("a buffer for packets of \(size) bytes, less than their header's")
            }
            try chain.writable.check(memory)
            places += chain.writable
            let written = min(count - room, Int(clamping: size))
            used.append(UsedChain(chain, written: UInt32(written)))
            room += written
        } while mergesBuffers && room < count && used.count < Int(queue.layout.size)
        queue = ahead
        let isWhole = room == count
        if isWhole {
            try fill(places, count)
            account.received.packets += 1
            account.received.bytes += UInt64(count - PacketHeader.size)
        } else {
            // It never fits: the buffers go back empty.
            for index in used.indices { used[index].written = 0 }
            account.received.dropped += 1
        }
        try queue.complete(used)
        return true
    }

    private func fill(_ places: [GuestSegment], _ count: Int) throws(VirtQueueError) {
        buffer[PacketHeader.buffersOffset] = UInt8(truncatingIfNeeded: used.count)
        buffer[PacketHeader.buffersOffset + 1] = UInt8(truncatingIfNeeded: used.count >> 8)
        var done = 0
        for place in places where done < count {
            let piece = UnsafeRawBufferPointer(rebasing: buffer[done..<min(count, done + Int(place.count))])
            do throws(GuestMemoryError) {
                try memory.write(place.gpa, piece)
            } catch {
                throw VirtQueueError("a buffer is not in guest memory: \(error)")
            }
            done += piece.count
        }
    }

    func needsInterrupt() throws(VirtQueueError) -> Bool { try queue.needsInterrupt() }

    /// Asks for notifications where the driver's buffers are what it waits for.
    ///
    /// - Returns: true where there are more meanwhile.
    func prepareToSleep() throws(VirtQueueError) -> Bool {
        guard var starved else { return false }
        return try starved.setNotifications(true)
    }

    func wokeUp() throws(VirtQueueError) { _ = try queue.setNotifications(false) }
}
