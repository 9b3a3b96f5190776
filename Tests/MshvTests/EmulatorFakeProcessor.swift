import EmbeddedHypervisor
import Glibc
import HypercallABI
import LinuxSystem
import MshvEmulator
import Synchronization

@testable import MshvEmulatorEntry

/// A processor that does what a test says.
final class FakeProcessor: EmulatedProcessor {
    struct Script: Sendable {
        /// What `run` returns, after it wrote a message that begins with this byte.
        var result: Int32 = 0
        var firstByte: UInt8 = 0x5A
        var stateSize = 4096
        var setResult: Int32 = 0
        var lastSet: [UInt8] = []
        var retired = 0
    }

    let index: VPIndex
    let pages: ProcessorPages
    let notifications: any GuestNotifications
    let script = Mutex(Script())

    init(_ index: VPIndex, _ pages: ProcessorPages, _ notifications: any GuestNotifications) {
        self.index = index
        self.pages = pages
        self.notifications = notifications
    }

    func run(into message: UnsafeMutableRawBufferPointer) -> Int32 {
        script.withLock { script in
            message[0] = script.firstByte
            pages.message.storeBytes(of: script.firstByte, as: UInt8.self)
            pages.registers.storeBytes(of: UInt16(1), as: UInt16.self)
            return script.result
        }
    }

    func getState(type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        let size = script.withLock { $0.stateSize }
        guard buffer.count >= size else { return (EINVAL, size) }
        for place in 0..<size { buffer[place] = type &+ 1 }
        return (0, size)
    }

    func setState(type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32 {
        script.withLock { script in
            script.lastSet = Array(bytes)
            return script.setResult
        }
    }

    func retire() { script.withLock { $0.retired += 1 } }
}

/// The fake processors of the partitions that a test makes with `partition`.
enum FakeProcessors {
    /// One test at a time takes the process's processors over.
    private static let turn = Mutex(())

    /// Makes processors fakes while `body` runs, and lends the list of those made.
    static func use(_ body: (_ made: () -> [FakeProcessor]) throws -> Void) throws {
        try turn.withLock { _ in
            let list = List()
            ProcessEmulator.processors.withLock { make in
                make = { (_, _, index, pages, notifications) throws(HypercallStatus) in
                    let processor = FakeProcessor(index, pages, notifications)
                    list.processors.withLock { $0.append(processor) }
                    return processor
                }
            }
            defer { ProcessEmulator.processors.withLock { $0 = nil } }
            try body { list.processors.withLock { $0 } }
        }
    }

    private final class List: Sendable {
        let processors = Mutex<[FakeProcessor]>([])
    }
}
