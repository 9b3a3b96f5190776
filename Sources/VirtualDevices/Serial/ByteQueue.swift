/// A bounded queue of bytes.
struct ByteQueue: Equatable, Sendable {
    let capacity: Int
    private var storage: [UInt8]
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        storage = [UInt8](repeating: 0, count: capacity)
    }

    var isEmpty: Bool { count == 0 }
    var space: Int { capacity - count }

    /// False, and nothing taken, where the queue is full.
    @discardableResult
    mutating func append(_ byte: UInt8) -> Bool {
        guard count < capacity else { return false }
        storage[(head + count) % capacity] = byte
        count += 1
        return true
    }

    mutating func removeFirst() -> UInt8? {
        guard count > 0 else { return nil }
        let byte = storage[head]
        head = (head + 1) % capacity
        count -= 1
        return byte
    }

    mutating func removeAll() {
        head = 0
        count = 0
    }

    /// Equal means the same bytes would come out, wherever they lie.
    static func == (left: ByteQueue, right: ByteQueue) -> Bool {
        left.capacity == right.capacity && left.count == right.count
            && (0..<left.count).allSatisfy { index in
                left.storage[(left.head + index) % left.capacity]
                    == right.storage[(right.head + index) % right.capacity]
            }
    }
}
