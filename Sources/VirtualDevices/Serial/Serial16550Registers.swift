/// The registers of a 16550A UART with an infinitely fast transmitter: no lock, no bus, no interrupt line.
///
/// Deviations: a receive timeout is reported at once rather than after four characters' time, and OUT2 doesn't gate the
/// interrupt, so that guests that never set it get their interrupts too.
package struct Serial16550Registers: Equatable, Sendable {
    static let fifoDepth = 16
    static let inputCapacity = 4096

    private enum InterruptEnable {
        static let received: UInt8 = 0x01
        static let transmitterEmpty: UInt8 = 0x02
        static let lineStatus: UInt8 = 0x04
        static let modemStatus: UInt8 = 0x08
        static let defined: UInt8 = 0x0F
    }

    private enum InterruptID {
        static let modemStatus: UInt8 = 0x00
        static let none: UInt8 = 0x01
        static let transmitterEmpty: UInt8 = 0x02
        static let received: UInt8 = 0x04
        static let lineStatus: UInt8 = 0x06
        static let receiveTimeout: UInt8 = 0x0C
        static let fifosEnabled: UInt8 = 0xC0
    }

    private enum LineStatus {
        static let dataReady: UInt8 = 0x01
        static let overrun: UInt8 = 0x02
        /// Holding register and shift register: always empty here.
        static let transmitterEmpty: UInt8 = 0x60
    }

    private enum ModemControl {
        static let dataTerminalReady: UInt8 = 0x01
        static let requestToSend: UInt8 = 0x02
        static let out1: UInt8 = 0x04
        static let out2: UInt8 = 0x08
        static let loopback: UInt8 = 0x10
        static let defined: UInt8 = 0x1F
    }

    private enum ModemStatus {
        static let clearToSend: UInt8 = 0x10
        static let dataSetReady: UInt8 = 0x20
        static let ringIndicator: UInt8 = 0x40
        static let carrierDetect: UInt8 = 0x80
        /// A terminal that is there and ready.
        static let connected: UInt8 = clearToSend | dataSetReady | carrierDetect
    }

    private static let divisorLatchAccess: UInt8 = 0x80

    /// 9600 baud, as firmware would leave it. The rate has no effect.
    private var divisor: UInt16 = 12
    private var interruptEnable: UInt8 = 0
    private var fifosEnabled = false
    private var triggerLevel = 1
    private var lineControl: UInt8 = 0
    private var modemControl: UInt8 = 0
    private var modemDeltas: UInt8 = 0
    private var scratch: UInt8 = 0
    private var overrun = false
    /// "Transmitter holding register empty" happened and neither IIR nor THR has taken notice of it.
    private var transmitterEmptyPending = false
    private var received = ByteQueue(capacity: fifoDepth)
    /// What the host sent and the FIFO has no room for yet: the host is slowed down, never overrun.
    private var input = ByteQueue(capacity: inputCapacity)

    package init() {}

    /// How many more bytes `receive` would take.
    var inputSpace: Int { input.space }

    /// The level of the interrupt output.
    var isInterrupting: Bool { interruptID != InterruptID.none }

    /// Takes bytes from the host; returns how many.
    mutating func receive(_ bytes: [UInt8]) -> Int {
        let taken = min(bytes.count, input.space)
        for byte in bytes.prefix(taken) { input.append(byte) }
        refill()
        return taken
    }

    /// Reads register 0...7; only the low three bits of `register` count.
    mutating func read(_ register: UInt64) -> UInt8 {
        switch register & 7 {
        case 0 where isDivisorVisible: return UInt8(truncatingIfNeeded: divisor)
        case 0:
            let byte = received.removeFirst() ?? 0
            refill()
            return byte
        case 1 where isDivisorVisible: return UInt8(truncatingIfNeeded: divisor >> 8)
        case 1: return interruptEnable
        case 2:
            let identification = interruptID
            if identification == InterruptID.transmitterEmpty { transmitterEmptyPending = false }
            return identification | (fifosEnabled ? InterruptID.fifosEnabled : 0)
        case 3: return lineControl
        case 4: return modemControl
        case 5:
            defer { overrun = false }
            return LineStatus.transmitterEmpty | (received.isEmpty ? 0 : LineStatus.dataReady)
                | (overrun ? LineStatus.overrun : 0)
        case 6:
            defer { modemDeltas = 0 }
            return modemInputs | modemDeltas
        default: return scratch
        }
    }

    /// Writes register 0...7; the result is a byte that leaves the machine.
    mutating func write(_ register: UInt64, _ value: UInt8) -> UInt8? {
        switch register & 7 {
        case 0 where isDivisorVisible: divisor = divisor & 0xFF00 | UInt16(value)
        case 0: return transmit(value)
        case 1 where isDivisorVisible: divisor = divisor & 0x00FF | UInt16(value) << 8
        case 1:
            let changed = interruptEnable ^ value
            interruptEnable = value & InterruptEnable.defined
            // Enabling it with an empty transmitter interrupts at once: Linux tests for this.
            if changed & InterruptEnable.transmitterEmpty != 0 {
                transmitterEmptyPending = value & InterruptEnable.transmitterEmpty != 0
            }
        case 2: writeFIFOControl(value)
        case 3: lineControl = value
        case 4: writeModemControl(value & ModemControl.defined)
        case 7: scratch = value
        default: break  // Line and modem status are read-only.
        }
        return nil
    }

    private var isDivisorVisible: Bool { lineControl & Self.divisorLatchAccess != 0 }
    private var isLoopback: Bool { modemControl & ModemControl.loopback != 0 }
    private var depth: Int { fifosEnabled ? Self.fifoDepth : 1 }

    /// The most urgent enabled cause, in the order of the data sheet.
    private var interruptID: UInt8 {
        if interruptEnable & InterruptEnable.lineStatus != 0, overrun { return InterruptID.lineStatus }
        if interruptEnable & InterruptEnable.received != 0, !received.isEmpty {
            return fifosEnabled && received.count < triggerLevel ? InterruptID.receiveTimeout : InterruptID.received
        }
        if interruptEnable & InterruptEnable.transmitterEmpty != 0, transmitterEmptyPending {
            return InterruptID.transmitterEmpty
        }
        if interruptEnable & InterruptEnable.modemStatus != 0, modemDeltas != 0 { return InterruptID.modemStatus }
        return InterruptID.none
    }

    private var modemInputs: UInt8 {
        guard isLoopback else { return ModemStatus.connected }
        var inputs: UInt8 = 0
        if modemControl & ModemControl.requestToSend != 0 { inputs |= ModemStatus.clearToSend }
        if modemControl & ModemControl.dataTerminalReady != 0 { inputs |= ModemStatus.dataSetReady }
        if modemControl & ModemControl.out1 != 0 { inputs |= ModemStatus.ringIndicator }
        if modemControl & ModemControl.out2 != 0 { inputs |= ModemStatus.carrierDetect }
        return inputs
    }

    private mutating func transmit(_ byte: UInt8) -> UInt8? {
        transmitterEmptyPending = true
        guard isLoopback else { return byte }
        if received.count >= depth {
            overrun = true
            // Without FIFOs the newer byte replaces the unread one; with them it is lost.
            if !fifosEnabled {
                received.removeAll()
                received.append(byte)
            }
        } else {
            received.append(byte)
        }
        return nil
    }

    private mutating func writeFIFOControl(_ value: UInt8) {
        let enable = value & 0x01 != 0
        if enable != fifosEnabled {
            fifosEnabled = enable
            received.removeAll()
        }
        if enable {
            if value & 0x02 != 0 { received.removeAll() }
            triggerLevel = [1, 4, 8, 14][Int(value >> 6)]
        }
        refill()
    }

    private mutating func writeModemControl(_ value: UInt8) {
        let before = modemInputs
        modemControl = value
        let changed = before ^ modemInputs
        // The ring indicator reports its trailing edge only.
        let ringEnded = changed & before & ModemStatus.ringIndicator
        modemDeltas |= (changed & ~ModemStatus.ringIndicator | ringEnded) >> 4
        refill()
    }

    /// Moves the host's bytes into the FIFO, except in loopback, where the receiver is cut off from outside.
    private mutating func refill() {
        guard !isLoopback else { return }
        while received.count < depth, let byte = input.removeFirst() { received.append(byte) }
    }
}
