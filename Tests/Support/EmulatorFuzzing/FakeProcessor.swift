import EmbeddedHypervisor
import Glibc
import HypercallABI
import LinuxSystem
import MshvEmulator
import Synchronization

/// A processor that does what a test says.
package final class FakeProcessor: EmulatedProcessor {
    package struct Script: Sendable {
        /// What `run` returns, after it wrote a message that begins with this byte.
        package var result: Int32 = 0
        package var firstByte: UInt8 = 0x5A
        package var stateSize = 4096
        package var setResult: Int32 = 0
        package var lastSet: [UInt8] = []
        package var retired = 0
    }

    package let index: VPIndex
    package let pages: ProcessorPages
    package let notifications: any GuestNotifications
    package let script = Mutex(Script())

    package init(_ index: VPIndex, _ pages: ProcessorPages, _ notifications: any GuestNotifications) {
        self.index = index
        self.pages = pages
        self.notifications = notifications
    }

    package func run(into message: UnsafeMutableRawBufferPointer) -> Int32 {
        script.withLock { script in
            message[0] = script.firstByte
            pages.message.storeBytes(of: script.firstByte, as: UInt8.self)
            pages.registers.storeBytes(of: UInt16(1), as: UInt16.self)
            return script.result
        }
    }

    package func getState(type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        let size = script.withLock { $0.stateSize }
        guard buffer.count >= size else { return (EINVAL, size) }
        for place in 0..<size { buffer[place] = type &+ 1 }
        return (0, size)
    }

    package func setState(type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32 {
        script.withLock { script in
            script.lastSet = Array(bytes)
            return script.setResult
        }
    }

    package func retire() { script.withLock { $0.retired += 1 } }
}
