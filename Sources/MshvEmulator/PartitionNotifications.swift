import LinuxSystem
import Synchronization

/// A partition's doorbells (MSHV_IOEVENTFD), and where the ends of interrupts go.
final class PartitionNotifications: GuestNotifications {
    struct Doorbell: Sendable {
        let address: UInt64
        /// Bytes; 0: a write of any size.
        let size: Int
        /// Nil: any value.
        let value: UInt64?
        let event: EventHandle
    }

    private let interrupts: InterruptDelivery
    /// By address.
    private let doorbells = Mutex<[UInt64: [Doorbell]]>([:])

    init(_ interrupts: InterruptDelivery) { self.interrupts = interrupts }

    /// - Returns: false where a doorbell is there that would take the same write.
    func add(_ new: Doorbell) -> Bool {
        doorbells.withLock { doorbells in
            let present = doorbells[new.address] ?? []
            let collides = present.contains {
                $0.size == new.size && ($0.value == nil || new.value == nil || $0.value == new.value)
            }
            if collides { return false }
            doorbells[new.address, default: []].append(new)
            return true
        }
    }

    /// - Returns: false where there is no such doorbell.
    func remove(address: UInt64, size: Int, value: UInt64?, event: UInt64) -> Bool {
        doorbells.withLock { doorbells in
            guard
                let place = doorbells[address]?.firstIndex(where: {
                    $0.size == size && $0.value == value && $0.event.identity == event
                })
            else { return false }
            doorbells[address]?.remove(at: place)
            if doorbells[address]?.isEmpty == true { doorbells[address] = nil }
            return true
        }
    }

    func removeAll() {
        doorbells.withLock { $0 = [:] }
    }

    func doorbell(gpa: UInt64, size: Int, value: UInt64) -> Bool {
        doorbells.withLock { doorbells in
            guard let here = doorbells[gpa] else { return false }
            let mask = size >= 8 ? UInt64.max : (1 << (8 * UInt64(max(size, 0)))) - 1
            guard
                let match = here.first(where: { doorbell in
                    (doorbell.size == 0 || doorbell.size == size)
                        && (doorbell.value.map { $0 & mask == value & mask } ?? true)
                })
            else { return false }
            match.event.signal()
            return true
        }
    }

    func acknowledge(vector: UInt8) -> Bool { interrupts.acknowledge(vector: vector) }
}
