import CDemoGuest
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Synchronization
import Testing

/// Just enough of a machine for the demo guest: memory, page tables, a start info, and the exits of a serial port, an
/// I/O APIC and the power registers.
final class DemoMachine {
    enum Outcome: Equatable {
        case prompt
        case poweredOff
        case reset
        case exited(UInt8)
        case ended(VPExit)
    }

    private static let size = 8 << 20
    private let machine: SmallMachine
    private var bytes: [UInt8] = []
    /// All that was printed.
    var output: String { String(decoding: bytes, as: UTF8.self) }
    private var input: [UInt8] = []
    private var receiveInterrupt = false
    /// Line control bit 7: the first two ports are the divisor.
    private var isDivisor = false
    private var apicIndex: UInt8 = 0
    private var redirection = [UInt32](repeating: 0x10000, count: 48)
    private var events: UInt8 = 0
    private var others: [SystemThread] = []
    private let stop = Flag()
    private(set) var exits = 0

    final class Flag: Sendable { let isSet = Atomic<Bool>(false) }

    init(vpCount: Int = 1) throws {
        machine = try SmallMachine(pages: Self.size / pageSize, vpCount: vpCount)
        let count = hv_demo_guest_size()
        let target = UnsafeMutableRawBufferPointer(
            start: machine.memory.base + Int(HV_DEMO_GUEST_LOAD_ADDRESS), count: count)
        target.copyMemory(from: UnsafeRawBufferPointer(start: hv_demo_guest_bytes(), count: count))
        writeTables()
        try setRegisters()
        for vp in machine.processors.dropFirst() {
            let stop = stop
            others.append(
                try SystemThread(name: "demo-ap") {
                    while !stop.isSet.load(ordering: .acquiring) {
                        if case .failed = vp.run() { return }
                    }
                })
        }
    }

    deinit {
        stop.isSet.store(true, ordering: .releasing)
        for vp in machine.processors.dropFirst() { vp.cancelRun() }
        for thread in others { thread.join() }
    }

    /// Page tables for 4 GiB in pages of 2 MiB at 0x10000, the start info at 0x6000 and its memory map behind it.
    private func writeTables() {
        let base = machine.memory.base
        func store(_ value: UInt64, _ address: Int) {
            base.storeBytes(of: value, toByteOffset: address, as: UInt64.self)
        }
        store(0x11003, 0x10000)
        for gigabyte in 0..<4 { store(UInt64(0x12003 + gigabyte * 0x1000), 0x11000 + gigabyte * 8) }
        for page in 0..<2048 { store(UInt64(page) << 21 | 0x83, 0x12000 + page * 8) }
        base.storeBytes(of: 0x336E_C578, toByteOffset: 0x6000, as: UInt32.self)
        base.storeBytes(of: 1, toByteOffset: 0x6004, as: UInt32.self)
        store(0x6100, 0x6000 + 40)
        base.storeBytes(of: 3, toByteOffset: 0x6000 + 48, as: UInt32.self)
        for (place, (address, size, type)) in [(0, 1 << 20, 1), (1 << 20, 7 << 20, 1), (0xE000_0000, 1 << 28, 2)]
            .enumerated()
        {
            store(UInt64(address), 0x6100 + place * 24)
            store(UInt64(size), 0x6108 + place * 24)
            store(UInt64(type), 0x6110 + place * 24)
        }
    }

    private func setRegisters() throws {
        let code = SegmentRegister(base: 0, limit: .max, selector: 0x10, attributes: 0xA09B)
        let data = SegmentRegister(base: 0, limit: .max, selector: 0x18, attributes: 0xC093)
        let task = SegmentRegister(base: 0, limit: 0xFFFF, selector: 0x20, attributes: 0x8B)
        try machine.vp.setRegisters([
            RegisterAssociation(.cs, RegisterValue(code)), RegisterAssociation(.ds, RegisterValue(data)),
            RegisterAssociation(.es, RegisterValue(data)), RegisterAssociation(.ss, RegisterValue(data)),
            RegisterAssociation(.tr, RegisterValue(task)), RegisterAssociation(.cr3, 0x10000),
            RegisterAssociation(.cr4, 0x20), RegisterAssociation(.cr0, 0x8000_0011), RegisterAssociation(.efer, 0x500),
            RegisterAssociation(.rip, HV_DEMO_GUEST_LOAD_ADDRESS), RegisterAssociation(.rbx, 0x6000),
            RegisterAssociation(.rflags, 2),
        ])
    }

    /// Types a command, and gives what is printed from there to the next prompt.
    func answer(to command: String) throws -> String {
        let before = bytes.count
        try type(command + "\r")
        let outcome = try runUntil("ready> ")
        if outcome != .prompt { Issue.record("\(command): \(outcome)") }
        return String(decoding: bytes[before...], as: UTF8.self)
    }

    /// Types on the serial port.
    func type(_ text: String) throws {
        input += Array(text.utf8)
        if receiveInterrupt { try raise(pin: 4) }
    }

    func pressPowerButton() throws {
        events |= 1
        try raise(pin: 16)
    }

    private func raise(pin: Int) throws {
        let entry = redirection[pin * 2]
        guard entry & 0x10000 == 0 else { return }
        try machine.partition.signalMSI(
            address: 0xFEE0_0000 | UInt64(redirection[pin * 2 + 1] >> 24) << 12, data: entry & 0xFFFF)
    }

    /// Runs until the output ends with `text`, or the guest ends otherwise.
    func runUntil(_ text: String, milliseconds: Int32 = 8000) throws -> Outcome {
        let watchdog = try Watchdog(machine.vp, milliseconds: milliseconds)
        defer { withExtendedLifetime(watchdog) {} }
        while true {
            let exit = machine.vp.run()
            exits += 1
            switch exit {
            case .portWrite(0x3F8...0x3F9, _, _) where isDivisor: break
            case .portWrite(0x3FB, _, let value): isDivisor = value & 0x80 != 0
            case .portWrite(0x3F8, _, let value):
                bytes.append(UInt8(truncatingIfNeeded: value))
                if bytes.suffix(text.utf8.count).elementsEqual(text.utf8) { return .prompt }
            case .portWrite(0x3F9, _, let value): receiveInterrupt = value & 1 != 0
            case .portWrite(0x600, _, 0x34): return .poweredOff
            case .portWrite(0x602, _, 1): return .reset
            case .portWrite(0xF4, _, let value): return .exited(UInt8(truncatingIfNeeded: value))
            case .portWrite: break
            case .portRead(0x3FD, _): machine.vp.completeRead(input.isEmpty ? 0x60 : 0x61)
            case .portRead(0x3F8, _): machine.vp.completeRead(UInt64(input.isEmpty ? 0 : input.removeFirst()))
            case .portRead(0x608, _):
                machine.vp.completeRead(UInt64(events))
                events = 0
            case .portRead: machine.vp.completeRead(0xFF)
            case .mmioWrite(0xFEC0_0000, _, let value): apicIndex = UInt8(truncatingIfNeeded: value)
            case .mmioWrite(0xFEC0_0010, _, let value):
                let place = Int(apicIndex) - 0x10
                if redirection.indices.contains(place) { redirection[place] = UInt32(truncatingIfNeeded: value) }
            default: return .ended(exit)
            }
        }
    }
}
