import Synchronization

/// The ports by which a guest powers off, resets or, in tests, ends the machine.
package final class PowerControl: Sendable {
    package typealias State = PowerRegisters

    private let registers = Mutex(PowerRegisters())
    private let onRequest: @Sendable (PowerRequest) -> Void

    /// - Parameter onRequest: called on the processor's thread that wrote the register, without a lock of this device.
    package init(onRequest: @escaping @Sendable (PowerRequest) -> Void) { self.onRequest = onRequest }

    /// Puts every register at its port but `resetControl`, which lies among PCI's.
    ///
    /// - Throws: `BusError` where another device stands at one of them.
    package func attach(to ports: Bus) throws(BusError) {
        for register in PowerRegisters.Register.allCases where register != .cf9 {
            let count = register == .debugExit ? Platform.debugExitCount : 1
            try ports.insert(Port(control: self, register: register), at: UInt64(register.port), count: count)
        }
    }

    /// The reset control register of PC chipsets, one byte at `Platform.cf9Port`.
    package var resetControl: any BusDevice { Port(control: self, register: .cf9) }

    package var state: State {
        get { registers.withLock { registers in registers } }
        set { registers.withLock { registers in registers = newValue } }
    }

    /// One register on the bus. It holds the control; the control doesn't hold it.
    private final class Port: BusDevice {
        private let control: PowerControl
        private let register: PowerRegisters.Register

        init(control: PowerControl, register: PowerRegisters.Register) {
            self.control = control
            self.register = register
        }

        func read(offset: UInt64, size: Int) -> UInt64 {
            UInt64(control.registers.withLock { registers in registers.read(register) })
        }

        func write(offset: UInt64, size: Int, value: UInt64) {
            guard offset == 0 else { return }
            let request = control.registers.withLock { registers in
                registers.write(register, UInt8(truncatingIfNeeded: value))
            }
            if let request { control.onRequest(request) }
        }

        func reset() { control.state = State() }
    }
}
