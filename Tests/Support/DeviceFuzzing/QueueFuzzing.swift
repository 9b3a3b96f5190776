import FuzzSupport
import GuestMemory
import Virtio

/// Drives a virtqueue from bytes alone: the driver writes what it likes where it likes, between any two steps of the
/// device.
package enum QueueFuzzing {
    /// - Returns: false where the queue gave more than it may, which is an error of the queue.
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let arena = FuzzMemory.shared else { return false }
        arena.clear()
        var input = FuzzBytes(bytes)
        let flags = input.byte()
        let (isPacked, usesEventIndex) = (flags & 1 != 0, flags & 2 != 0)
        // Mostly a queue that is right, so that the bytes are spent on what comes after.
        let sizes: [UInt16] = [1, 2, 4, 8, 16, 64, 256, 32768]
        let size = flags & 4 != 0 ? input.half() : sizes[Int(input.byte() & 7)]
        let layout = VirtQueueLayout(
            size: size, descriptors: flags & 8 != 0 ? input.address() : FuzzMemory.descriptors,
            driver: flags & 16 != 0 ? input.address() : FuzzMemory.driverArea,
            device: flags & 32 != 0 ? input.address() : FuzzMemory.deviceArea)
        guard
            var queue = try? VirtQueue(
                layout, memory: arena.memory, isPacked: isPacked, usesEventIndex: usesEventIndex)
        else { return true }
        var taken: [DescriptorChain] = []
        do throws(VirtQueueError) {
            while !input.isAtEnd {
                switch input.byte() & 7 {
                case 0, 1: arena.write(&input)
                case 2, 3: arena.writeDescriptor(&input, isPacked: isPacked)
                case 4:
                    var count = 0
                    while let chain = try queue.next() {
                        guard isRight(chain, queue) else { return false }
                        taken.append(chain)
                        count += 1
                        // Nobody writes meanwhile: what is available is at most the queue.
                        if count > Int(size) { return false }
                    }
                case 5:
                    if taken.isEmpty { break }
                    try queue.complete(taken.removeFirst(), written: UInt32(input.half()))
                case 6: _ = try queue.needsInterrupt()
                default: _ = try queue.setNotifications(input.byte() & 1 != 0)
                }
                if taken.count > 1 << 12 { taken.removeAll() }
            }
        } catch {
            // The device stops here and asks for its reset.
        }
        // A position that was saved is one to go on from.
        return
            (try? VirtQueue(
                layout, memory: arena.memory, isPacked: isPacked, usesEventIndex: usesEventIndex,
                position: queue.position))?.position == queue.position
    }

    private static func isRight(_ chain: DescriptorChain, _ queue: VirtQueue) -> Bool {
        let count = chain.readable.count + chain.writable.count
        return count >= 1 && count <= Int(queue.layout.size) && chain.descriptorCount <= queue.layout.size
    }
}
