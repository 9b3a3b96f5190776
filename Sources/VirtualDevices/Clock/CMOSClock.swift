import LinuxSystem
import Synchronization

/// The PC's clock and its battery-backed memory: an index port (write-only) and a data port.
package final class CMOSClock: BusDevice {
    package typealias State = CMOSRegisters

    private let registers: Mutex<CMOSRegisters>
    private let clock: @Sendable () -> UInt64

    /// - Parameters:
    ///   - memorySize: the guest's memory in bytes.
    ///   - clock: the host's time in nanoseconds since 1970. The guest may set its own clock off from it.
    package init(memorySize: UInt64, clock: @escaping @Sendable () -> UInt64 = realtimeNanoseconds) {
        registers = Mutex(CMOSRegisters(memorySize: memorySize))
        self.clock = clock
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        let now = clock()
        return registers.withLock { registers in
            ByteLanes.read(offset: offset, size: size) { port in port == 1 ? registers.read(now: now) : 0xFF }
        }
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        let now = clock()
        registers.withLock { registers in
            ByteLanes.write(offset: offset, size: size, value: value) { port, byte in
                switch port {
                case 0: registers.select(byte)
                case 1: registers.write(byte, now: now)
                default: break
                }
            }
        }
    }

    package func reset() { registers.withLock { registers in registers.reset() } }

    package var state: State {
        get { registers.withLock { registers in registers } }
        set { registers.withLock { registers in registers = newValue } }
    }
}
