import Synchronization

/// Tells a guest through ACPI which of its processors are there, which came and which it shall give back.
///
/// Four banks of eight registers of 32 bits at `Platform.processorHotplugPort`, a bit for each processor: those that are
/// present, those that came (read clears), those to be ejected (read clears), and those that the guest ejects (written).
/// Accesses of other sizes have no meaning. Processor 0 always stays.
package final class ProcessorHotplug: BusDevice {
    package static let wordsPerBank = 8

    package enum Bank: UInt64 {
        case present, inserted, ejecting, eject
    }

    /// A bit for each processor.
    package struct Bits: Equatable, Sendable {
        package private(set) var words = [UInt32](repeating: 0, count: ProcessorHotplug.wordsPerBank)

        /// The processors below `count`.
        init(below count: Int = 0) {
            for index in 0..<max(0, min(count, words.count * 32)) { self[index] = true }
        }

        package subscript(_ index: Int) -> Bool {
            get { words.indices.contains(index / 32) && words[index / 32] >> UInt32(index % 32) & 1 != 0 }
            set {
                guard words.indices.contains(index / 32) else { return }
                let bit = UInt32(1) << UInt32(index % 32)
                words[index / 32] = newValue ? words[index / 32] | bit : words[index / 32] & ~bit
            }
        }

        mutating func take(word: Int) -> UInt32 {
            defer { words[word] = 0 }
            return words[word]
        }
    }

    /// For saving.
    package struct State: Equatable, Sendable {
        package var present: Bits
        package var inserted = Bits()
        package var ejecting = Bits()
    }

    private let maximum: Int
    private let registers: Mutex<State>
    private let events: EventDevice
    private let onEject: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - present: how many processors the guest begins with, 1...maximum: those with the lowest numbers.
    ///   - maximum: how many it can have, 1...254.
    ///   - events: how the guest is told to look.
    ///   - onEject: called on a processor's thread, without a lock of the controller's, when the guest has given a
    ///     processor back, whether it was asked to or not.
    package init(present: Int, maximum: Int, events: EventDevice, onEject: @escaping @Sendable (Int) -> Void) {
        self.maximum = maximum
        registers = Mutex(State(present: Bits(below: min(present, maximum))))
        self.events = events
        self.onEject = onEject
    }

    package var state: State {
        get { registers.withLock { $0 } }
        set { registers.withLock { $0 = newValue } }
    }

    package func isPresent(_ index: Int) -> Bool { registers.withLock { $0.present[index] } }

    /// How many are present.
    package var count: Int { registers.withLock { $0.present.words.reduce(0) { $0 + $1.nonzeroBitCount } } }

    /// The processor is there from now on, or stays where it was to be ejected; the guest is told what is new.
    package func insert(_ index: Int) {
        guard (1..<maximum).contains(index) else { return }
        let isNew = registers.withLock { state in
            state.ejecting[index] = false
            guard !state.present[index] else { return false }
            state.present[index] = true
            state.inserted[index] = true
            return true
        }
        if isNew { events.raise(.processorHotplug) }
    }

    /// Asks the guest to give the processor back, where it has it.
    package func requestEject(_ index: Int) {
        guard (1..<maximum).contains(index) else { return }
        let isThere = registers.withLock { state in
            guard state.present[index] else { return false }
            state.ejecting[index] = true
            return true
        }
        if isThere { events.raise(.processorHotplug) }
    }

    // MARK: Registers

    private func place(_ offset: UInt64, _ size: Int) -> (bank: Bank, word: Int)? {
        let bankSize = UInt64(Self.wordsPerBank * 4)
        guard size == 4, offset.isMultiple(of: 4), let bank = Bank(rawValue: offset / bankSize) else { return nil }
        return (bank, Int(offset % bankSize / 4))
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard let place = place(offset, size) else { return 0 }
        return registers.withLock { state in
            switch place.bank {
            case .present: UInt64(state.present.words[place.word])
            case .inserted: UInt64(state.inserted.take(word: place.word))
            case .ejecting: UInt64(state.ejecting.take(word: place.word))
            case .eject: 0
            }
        }
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard let place = place(offset, size), place.bank == .eject else { return }
        let ejected = registers.withLock { state in
            (0..<32).map { place.word * 32 + $0 }.filter { index in
                guard index > 0, value >> UInt64(index % 32) & 1 != 0, state.present[index] else { return false }
                state.present[index] = false
                state.inserted[index] = false
                state.ejecting[index] = false
                return true
            }
        }
        for index in ejected { onEject(index) }
    }

    /// Which processors there are is the machine's to say, and it makes another controller when it begins again.
    package func reset() {
        registers.withLock { state in
            state.inserted = Bits()
            state.ejecting = Bits()
        }
    }
}
