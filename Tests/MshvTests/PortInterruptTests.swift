import CMshv
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

@testable import HypercallCore
@testable import MshvHypervisor

@Suite struct PortInterruptTests {
    private let port = PortHarness()

    private func partition() throws -> MshvPartition {
        try port.hypervisor.mshvPartition(try port.activePartition())
    }

    private var interrupts: [[UInt64]] { port.driver.state.withLock { $0.interrupts } }

    @Test func messagesAreAsserted() throws {
        let partition = try partition()
        try partition.signalMSI(address: 0xFEE0_3000, data: 0x41)
        // Logical destination, lowest priority, level-triggered, an id of more than 8 bits.
        try partition.signalMSI(address: 0x0000_1200_FEE0_5004, data: 0x8000 | 1 << 8 | 0x52)
        #expect(interrupts == [[0, 3, 0x41], [1 | 3 << 32, 0x1205, 0x52]])
    }

    @Test func pinsThatAreLevelTriggeredEnd() throws {
        let partition = try partition()
        try partition.setIOAPICMessages([
            nil, IOAPICMessage(address: 0xFEE0_0000, data: 0x30, isLevelTriggered: true),
            IOAPICMessage(address: 0xFEE0_0000, data: 0x31, isLevelTriggered: false),
        ])
        try partition.signalMSI(address: 0xFEE0_0000, data: 0x30)
        try partition.signalMSI(address: 0xFEE0_0000, data: 0x31)
        #expect(interrupts.map { $0[0] } == [1 << 32, 0])
        let routes = try #require(port.driver.state.withLock { $0.routes.last })
        #expect(routes.map(\.gsi) == [1, 2])
        #expect(routes.map(\.data) == [0xC030, 0x31])
    }

    @Test func routesOfPinsAndDevicesAreOneTable() throws {
        let partition = try partition()
        try partition.setIOAPICMessages([IOAPICMessage(address: 0xFEE0_0000, data: 0x30, isLevelTriggered: false)])
        let event = try EventFD()
        try partition.setMessage(InterruptMessage(address: 0x1_FEE0_0000, data: 0x99), of: event)
        let routes = try #require(port.driver.state.withLock { $0.routes.last })
        #expect(routes.map(\.gsi) == [0, 24])
        #expect(routes[1].address_hi == 1 && routes[1].address_lo == 0xFEE0_0000 && routes[1].data == 0x99)
        try partition.setMessage(nil, of: event)
        #expect(port.driver.state.withLock { $0.routes.last }?.map(\.gsi) == [0])
    }

    @Test func anEventKeepsItsInterrupt() throws {
        let partition = try partition()
        let events = [try EventFD(), try EventFD()]
        for (number, event) in events.enumerated() {
            try partition.setMessage(InterruptMessage(address: 0xFEE0_0000, data: UInt32(0x40 + number)), of: event)
        }
        try partition.setMessage(InterruptMessage(address: 0xFEE0_1000, data: 0x50), of: events[0])
        try partition.setMessage(nil, of: events[0])
        try partition.setMessage(nil, of: events[0])
        let irqfds = port.driver.state.withLock { $0.irqfds }
        #expect(irqfds.map(\.fd) == [events[0].raw, events[1].raw, events[0].raw])
        #expect(irqfds.map(\.gsi) == [24, 25, 24])
        #expect(irqfds.map(\.flags) == [0, 0, 1])
        #expect(port.driver.state.withLock { $0.routes.last }?.map(\.data) == [0x41])
    }

    @Test func resamplingIsRegistered() throws {
        let partition = try partition()
        try partition.registerIrqfd(eventfd: 12, gsi: 3, resamplefd: 13)
        let irqfds = port.driver.state.withLock { $0.irqfds }
        #expect(irqfds.map(\.flags) == [2] && irqfds.map(\.resamplefd) == [13])
    }

    @Test func doorbellsAreRegistered() throws {
        let partition = try partition()
        let event = try EventFD()
        try partition.addDoorbell(DoorbellWrite(gpa: 0xE000_0000, size: 4, value: 9), event)
        try partition.removeDoorbell(DoorbellWrite(gpa: 0xE000_0000, size: 4, value: nil), event)
        let doorbells = port.driver.state.withLock { $0.doorbells }
        #expect(doorbells.map(\.flags) == [1, 4])
        #expect(doorbells[0].datamatch == 9 && doorbells[0].len == 4 && doorbells[0].addr == 0xE000_0000)
    }

    @Test func touchedPages() throws {
        let partition = try partition()
        #expect(try partition.accessBitmap(gpa: 0, pageCount: 9, isDirty: true, .clear) == [0x15, 0])
        #expect(throws: HypervisorError.self) {
            _ = try partition.accessBitmap(gpa: 1, pageCount: 9, isDirty: true, .read)
        }
    }

    @Test func statesOfAProcessor() throws {
        port.driver.state.withLock { $0.xsaveSize = 9000 }
        let id = try port.activePartition()
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        let vp = try port.hypervisor.mshvPartition(id).mshvProcessor(0)
        for (component, count) in [
            (MshvVPState.localAPIC, 4096), (.xsave, 9000), (.messagePage, 4096), (.eventFlagsPage, 4096),
            (.syntheticTimers, 200),
        ] {
            let bytes = try vp.state(component)
            #expect(bytes.count == count && bytes.allSatisfy { $0 == component.driverType + 1 })
            try vp.setState(component, bytes)
            #expect(port.driver.state.withLock { $0.states[component.driverType] } == bytes)
        }
    }

    /// The hypercalls for them become the driver's ioctls.
    @Test func statesByHypercall() throws {
        port.driver.state.withLock { $0.xsaveSize = 5000 }
        let id = try port.activePartition()
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        let buffer = try MemoryMapping(anonymous: 2 * pageSize)
        let first = UInt64(UInt(bitPattern: buffer.base)) >> 12
        let partition = try port.hypervisor.mshvPartition(id)
        func call(_ code: CallCode, _ pages: [UInt64]) throws(HypercallStatus) -> HypercallStatus {
            // The head: partition, processor, the type of the state; then the pages.
            let words = [id.rawValue, 0, 0x8000_0001, 0, 0] + pages
            return try words.withUnsafeBytes { input -> Result<HypercallStatus, HypercallStatus> in
                do throws(HypercallStatus) {
                    return .success(
                        try partition.vpState(
                            PortCall(
                                control: ControlWord(code, variableHeaderSize: pages.count),
                                form: CallForm(inputSize: 40, outputSize: 200, hasVariableHeader: true), input: input,
                                output: UnsafeMutableRawBufferPointer(start: nil, count: 0))
                        ).status)
                } catch {
                    return .failure(error)
                }
            }.get()
        }
        #expect(try call(.getVpState, [first, first + 1]) == .success)
        let bytes = Array(UnsafeRawBufferPointer(start: buffer.base, count: 2 * pageSize))
        #expect(bytes == [UInt8](repeating: 2, count: 5000) + [UInt8](repeating: 0, count: 3192))
        #expect(try call(.setVpState, [first, first + 1]) == .success)
        #expect(port.driver.state.withLock { $0.states[1] } == Array(bytes.prefix(5000)))
        #expect(throws: HypercallStatus.insufficientBuffer) { try call(.getVpState, [first]) }
        #expect(throws: HypercallStatus.invalidParameter) { try call(.getVpState, [first, first + 2]) }
        #expect(throws: HypercallStatus.invalidParameter) { try call(.getVpState, []) }
    }
}
