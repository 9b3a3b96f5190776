import LinuxSystem
import Synchronization

/// The message-signalled interrupts of one function: its vector table, its pending bits and its capability's control
/// word (PCI Express Base Specification, 6.1.4 and 7.7.2).
package final class MSIX: Sendable {
    package static let capabilityID: UInt8 = 0x11
    /// The most vectors that a table can have.
    package static let maximumVectors = 2048
    static let entrySize = 16

    /// What a message is, and whether it is held back.
    package struct Entry: Equatable, Sendable {
        package var address: UInt64 = 0
        package var data: UInt32 = 0
        /// Masked at first, as after a reset.
        package var isMasked = true

        package init() {}
    }

    package struct State: Equatable, Sendable {
        package var entries: [Entry]
        package var isPending: [Bool]
        package var isEnabled = false
        package var isFunctionMasked = false

        init(vectors: Int) {
            entries = Array(repeating: Entry(), count: vectors)
            isPending = Array(repeating: false, count: vectors)
        }

        /// The message to send now for `vector`; nil where it stays pending, or where nothing listens.
        mutating func trigger(_ vector: Int) -> Entry? {
            guard isEnabled, entries.indices.contains(vector) else { return nil }
            if isFunctionMasked || entries[vector].isMasked {
                isPending[vector] = true
                return nil
            }
            return entries[vector]
        }

        /// The message of each vector that nothing holds back.
        var sendable: [Entry?] {
            let isSilent = !isEnabled || isFunctionMasked
            return entries.map { isSilent || $0.isMasked ? nil : $0 }
        }

        /// The pending messages that nothing holds back any more.
        mutating func takeReleased() -> [Entry] {
            guard isEnabled, !isFunctionMasked else { return [] }
            var released: [Entry] = []
            for vector in entries.indices where isPending[vector] && !entries[vector].isMasked {
                isPending[vector] = false
                released.append(entries[vector])
            }
            return released
        }
    }

    package let vectors: Int
    private let state: Mutex<State>
    private let deliver: @Sendable (_ address: UInt64, _ data: UInt32) -> Void
    private let events: MSIXEvents?

    /// - Parameters:
    ///   - vectors: 1...2048; a value outside is taken as the nearer end.
    ///   - events: joins an eventfd with each vector; nil: every message is a call of `deliver`.
    ///   - deliver: sends a message to the partition's local APICs.
    package init(
        vectors: Int, events: (any DeviceEvents)? = nil,
        deliver: @escaping @Sendable (_ address: UInt64, _ data: UInt32) -> Void
    ) {
        let count = min(max(vectors, 1), Self.maximumVectors)
        self.vectors = count
        state = Mutex(State(vectors: count))
        self.deliver = deliver
        self.events = events.map { MSIXEvents($0, vectors: count) }
    }

    /// All of it as one value, for saving; setting it restores.
    package var snapshot: State {
        get { state.withLock { $0 } }
        set {
            guard newValue.entries.count == vectors, newValue.isPending.count == vectors else { return }
            state.withLock { $0 = newValue }
            updateEvents()
        }
    }

    /// Bytes of the table, and of the pending bits behind it.
    package var tableSize: Int { vectors * Self.entrySize }
    package var pendingSize: Int { (vectors + 63) / 64 * 8 }

    /// Sends the message of `vector`, or keeps it pending.
    package func trigger(_ vector: Int) {
        guard let message = state.withLock({ $0.trigger(vector) }) else { return }
        if events?.signal(vector, message) != true { deliver(message.address, message.data) }
    }

    /// The eventfd whose signal is the vector's message, for somebody else to signal; nil where the host has none for it.
    /// While the vector is masked signals stay in it, and become a message afterwards.
    package func event(_ vector: Int) -> EventFD? {
        guard let message = state.withLock({ $0.sendable.indices.contains(vector) ? $0.sendable[vector] : nil }) else {
            return nil
        }
        return events?.event(vector, message)
    }

    package func reset() {
        state.withLock { $0 = State(vectors: vectors) }
        updateEvents()
    }

    private func updateEvents() { events?.update { state.withLock { $0.sendable } } }

    // MARK: The capability

    /// The capability's bytes behind the identifier and the link, and which of their bits are the guest's.
    ///
    /// - Parameters: the base address register and the offsets in it where the table and the pending bits are.
    package func capability(bar: UInt8, table: UInt32, pending: UInt32) -> (body: [UInt8], writable: [UInt8]) {
        let size = littleEndianBytes(UInt16(truncatingIfNeeded: vectors - 1))
        let table = littleEndianBytes(table & ~7 | UInt32(bar & 7))
        let pending = littleEndianBytes(pending & ~7 | UInt32(bar & 7))
        return (size + table + pending, [0, 0xC0] + [UInt8](repeating: 0, count: 8))
    }

    /// Follows the capability's control word.
    package func setControl(_ control: UInt16) {
        let released = state.withLock { state in
            state.isEnabled = control & 0x8000 != 0
            state.isFunctionMasked = control & 0x4000 != 0
            return state.takeReleased()
        }
        updateEvents()
        for message in released { deliver(message.address, message.data) }
    }

    // MARK: The table

    /// Reads 4 or 8 bytes of the table; other accesses have no meaning and read as zero.
    func readTable(offset: UInt64, size: Int) -> UInt64 {
        guard let (vector, word) = place(offset, size) else { return 0 }
        let entry = state.withLock { $0.entries[vector] }
        let low = UInt64(entry.words[word])
        return size == 8 ? UInt64(entry.words[word + 1]) << 32 | low : low
    }

    func writeTable(offset: UInt64, size: Int, value: UInt64) {
        guard let (vector, word) = place(offset, size) else { return }
        let released = state.withLock { state in
            var words = state.entries[vector].words
            words[word] = UInt32(truncatingIfNeeded: value)
            if size == 8 { words[word + 1] = UInt32(truncatingIfNeeded: value >> 32) }
            state.entries[vector].words = words
            return state.takeReleased()
        }
        updateEvents()
        for message in released { deliver(message.address, message.data) }
    }

    /// Reads the pending bits.
    func readPending(offset: UInt64, size: Int) -> UInt64 {
        let bits = state.withLock { $0.isPending }
        return ByteLanes.read(offset: offset, size: size) { byte in
            guard byte < UInt64(bits.count + 7) / 8 else { return 0 }
            let first = Int(byte) * 8
            return (0..<8).reduce(UInt8(0)) { result, bit in
                first + bit < bits.count && bits[first + bit] ? result | 1 << UInt8(bit) : result
            }
        }
    }

    private func place(_ offset: UInt64, _ size: Int) -> (vector: Int, word: Int)? {
        guard size == 4 || size == 8, offset % UInt64(size) == 0, offset < UInt64(tableSize) else { return nil }
        return (Int(offset) / Self.entrySize, Int(offset) % Self.entrySize / 4)
    }
}

extension MSIX.Entry {
    /// As the guest sees it: address, data and vector control.
    fileprivate var words: [UInt32] {
        get {
            [UInt32(truncatingIfNeeded: address), UInt32(truncatingIfNeeded: address >> 32), data, isMasked ? 1 : 0]
        }
        set {
            // The two low bits of the address are reserved.
            address = UInt64(newValue[1]) << 32 | UInt64(newValue[0] & ~3)
            data = newValue[2]
            isMasked = newValue[3] & 1 != 0
        }
    }
}
