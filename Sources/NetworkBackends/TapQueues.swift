import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// The queues of one tap or macvtap, which know the same ioctls.
final class TapQueues: Sendable {
    let queues: [TapQueue]
    /// What it takes, and can be asked to give.
    let offloads: NetworkOffloads
    /// How many of the queues are attached.
    private let active: Mutex<Int>

    /// - Parameter queues: one at least, all attached.
    init(_ queues: [TapQueue], usesOffloads: Bool) throws(Errno) {
        self.queues = queues
        active = Mutex(queues.count)
        offloads = usesOffloads ? queues.first.map(Self.knownOffloads) ?? [] : []
        try setReceiveOffloads([])
    }

    static func setHeaders(_ descriptor: borrowing FileDescriptor, of name: String) throws(NetworkError) {
        if hv_tap_set_headers(descriptor.raw) != 0 {
            throw NetworkError("the tap \(name) knows no headers of virtio 1: \(Errno.last)")
        }
    }

    /// Linux before 6.2 knows no segmentation of UDP.
    private static func knownOffloads(_ tap: TapQueue) -> NetworkOffloads {
        let choices: [NetworkOffloads] = [
            [.checksum, .tcp4, .tcp6, .udp], [.checksum, .tcp4, .tcp6], [.checksum],
        ]
        return choices.first { hv_tap_set_offloads(tap.descriptor, $0.tapBits) == 0 } ?? []
    }

    func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {
        // They are the interface's, whichever queue is asked.
        guard let first = queues.first else { return }
        let bits = offloads.intersection(self.offloads).tapBits
        try retryingInterrupts { hv_tap_set_offloads(first.descriptor, bits) }
    }

    func setActive(queues count: Int) throws(Errno) {
        let wanted = min(max(count, 1), queues.count)
        try active.withLock { (now) throws(Errno) in
            // Only a tap with several queues knows them as such.
            while now != wanted {
                let tap = queues[now < wanted ? now : now - 1]
                try retryingInterrupts { hv_tap_attach_queue(tap.descriptor, now < wanted ? 1 : 0) }
                now += now < wanted ? 1 : -1
            }
        }
    }
}

extension NetworkOffloads {
    fileprivate var tapBits: UInt32 {
        guard contains(.checksum) else { return 0 }
        return HV_TUN_CSUM | (contains(.tcp4) ? HV_TUN_TSO4 : 0) | (contains(.tcp6) ? HV_TUN_TSO6 : 0)
            | (contains(.udp) ? HV_TUN_USO : 0)
    }
}

/// One queue of a tap.
final class TapQueue: NetworkQueue {
    let name: String
    private let file: FileDescriptor

    init(name: String, _ file: consuming FileDescriptor) {
        self.name = name
        self.file = file
    }

    var descriptor: Int32 { file.raw }

    func send(_ parts: UnsafeBufferPointer<iovec>) throws(Errno) {
        try retryingInterrupts { writev(file.raw, parts.baseAddress, Int32(clamping: parts.count)) }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
        do throws(Errno) {
            return try retryingInterrupts { read(file.raw, buffer.baseAddress, buffer.count) }
        } catch {
            if error.code == EAGAIN { return nil }
            throw error
        }
    }
}
