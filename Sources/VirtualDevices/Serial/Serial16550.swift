import Synchronization

/// A 16550A serial port: eight one-byte registers.
package final class Serial16550: BusDevice {
    package typealias State = Serial16550Registers

    private struct Locked {
        var registers = Serial16550Registers()
        var isAsserted = false
        /// Bytes were refused since `inputDrained` was called last.
        var hasRefusedInput = false
    }

    private let locked = Mutex(Locked())
    private let interrupt: any InterruptLine
    private let output: @Sendable (UnsafeRawBufferPointer) -> Void
    private let inputDrained: @Sendable () -> Void

    /// - Parameters:
    ///   - interrupt: follows the port's interrupt output.
    ///   - output: gets what the guest sends, in order. Called with the device's lock held, so that two processors'
    ///     bytes keep their order: return at once, don't call this device.
    ///   - inputDrained: called without the lock after `receive` refused bytes and half of the input has been read.
    package init(
        interrupt: any InterruptLine,
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        inputDrained: @escaping @Sendable () -> Void = {}
    ) {
        self.interrupt = interrupt
        self.output = output
        self.inputDrained = inputDrained
    }

    /// Sends bytes to the guest. At most 4096 wait for it, behind the FIFO's 16.
    ///
    /// - Returns: how many of the first bytes were taken.
    package func receive(_ bytes: [UInt8]) -> Int {
        locked.withLock { locked in
            let taken = locked.registers.receive(bytes)
            if taken < bytes.count { locked.hasRefusedInput = true }
            updateLine(&locked)
            return taken
        }
    }

    /// How many bytes `receive` would take now.
    package var inputSpace: Int { locked.withLock { locked in locked.registers.inputSpace } }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        let (value, isDrained) = locked.withLock { locked in
            let value = ByteLanes.read(offset: offset, size: size) { register in locked.registers.read(register) }
            updateLine(&locked)
            return (value, takeDrained(&locked))
        }
        if isDrained { inputDrained() }
        return value
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        let isDrained = locked.withLock { locked in
            ByteLanes.write(offset: offset, size: size, value: value) { register, byte in
                guard let sent = locked.registers.write(register, byte) else { return }
                withUnsafeBytes(of: sent) { bytes in output(bytes) }
            }
            updateLine(&locked)
            return takeDrained(&locked)
        }
        if isDrained { inputDrained() }
    }

    /// Drops also the input that the guest has not read.
    package func reset() { state = State() }

    /// Everything the device is. Setting it moves the interrupt line to where the state has it.
    package var state: State {
        get { locked.withLock { locked in locked.registers } }
        set {
            let isDrained = locked.withLock { locked in
                locked.registers = newValue
                updateLine(&locked)
                return takeDrained(&locked)
            }
            if isDrained { inputDrained() }
        }
    }

    /// With the lock held, so that the line's levels come in the order of the registers' changes.
    private func updateLine(_ locked: inout Locked) {
        guard locked.registers.isInterrupting != locked.isAsserted else { return }
        locked.isAsserted.toggle()
        interrupt.setLevel(locked.isAsserted)
    }

    private func takeDrained(_ locked: inout Locked) -> Bool {
        guard locked.hasRefusedInput, locked.registers.inputSpace >= Serial16550Registers.inputCapacity / 2 else {
            return false
        }
        locked.hasRefusedInput = false
        return true
    }
}
