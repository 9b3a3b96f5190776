import CMshv
import Glibc
import HypercallABI
import HypercallCore
import LinuxSystem
import MshvHypervisor
import Synchronization

/// Linux's driver as far as the port sees it: a device, partitions and processors that remember what they were asked.
final class FakeDriver: Sendable {
    enum Generation: Sendable { case first, later }

    /// What a run of a processor does.
    enum Run: Sendable {
        case message(InterceptMessage)
        case failure(Int32)
        /// Sleeps until a signal comes.
        case sleep
    }

    struct Region: Equatable {
        var page: UInt64
        var pages: UInt64
        var address: UInt64
        var flags: UInt8
    }

    struct State {
        var generation = Generation.later
        var kinds: [Int32: FakeDescriptor.Kind] = [:]
        var nextNumber: Int32 = 100
        var openDescriptors = 0
        var create: [mshv_create_partition_v2] = []
        var regions: [Region] = []
        var regionLog: [String] = []
        var properties: [UInt32: UInt64] = [:]
        var registers: [UInt32: RegisterValue] = [:]
        var runs: [Run] = []
        var interrupts: [[UInt64]] = []
        var routes: [[mshv_user_irq_entry]] = []
        var irqfds: [mshv_user_irqfd] = []
        var doorbells: [mshv_user_ioeventfd] = []
        var hypercalls: [(code: UInt16, reps: UInt16)] = []
        /// Repetitions that a call does before the hypervisor lacks memory, once each.
        var shortages: [Int] = []
        /// A register that the hypervisor does not have.
        var unknownRegister: UInt32?
        /// What a request ends with instead of being done.
        var failures: [UInt: Int32] = [:]
        /// Linear pages that are not present.
        var absent: Set<UInt64> = []
        var hasRegisterPage = true
        var xsaveSize = 4096
        var states: [UInt8: [UInt8]] = [:]
    }

    let state = Mutex(State())
    let page = FakePage()

    init(_ generation: Generation = .later) { state.withLock { $0.generation = generation } }

    var device: FakeDescriptor { FakeDescriptor(self, .device) }

    func run(_ steps: Run...) { state.withLock { $0.runs += steps } }

    func register(_ name: RegisterName) -> UInt64 {
        state.withLock { $0.registers[name.rawValue]?.low ?? 0 }
    }
}

final class FakePage: MshvPage, @unchecked Sendable {
    // Unchecked: the tests touch it on one thread at a time.
    let base: UnsafeMutableRawPointer = .allocate(byteCount: 4096, alignment: 4096)
    init() { base.initializeMemory(as: UInt8.self, repeating: 0, count: 4096) }
    deinit { base.deallocate() }

    func word(_ offset: Int) -> UInt64 { base.load(fromByteOffset: offset, as: UInt64.self) }
    func set(_ offset: Int, _ value: UInt64) { base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
    var dirty: UInt32 { base.load(fromByteOffset: 4, as: UInt32.self) }
    func makeValid() { base.storeBytes(of: 1, toByteOffset: 2, as: UInt8.self) }
}

final class FakeDescriptor: MshvDescriptor {
    enum Kind: Sendable { case device, partition, vp }

    private let driver: FakeDriver
    var fakeDriver: FakeDriver { driver }
    private let kind: Kind

    init(_ driver: FakeDriver, _ kind: Kind) {
        self.driver = driver
        self.kind = kind
        driver.state.withLock { $0.openDescriptors += 1 }
    }

    deinit { driver.state.withLock { $0.openDescriptors -= 1 } }

    func adopt(_ raw: Int32) -> any MshvDescriptor {
        FakeDescriptor(driver, driver.state.withLock { $0.kinds[raw] } ?? .device)
    }

    func mapPage(at offset: Int64) throws(Errno) -> any MshvPage {
        guard kind == .vp, offset == 0, driver.state.withLock({ $0.hasRegisterPage }) else { throw Errno(ENODEV) }
        return driver.page
    }

    func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer?) throws(Errno) -> Int32 {
        if let failure = driver.state.withLock({ $0.failures[request] }) { throw Errno(failure) }
        switch (kind, request) {
        case (.device, HV_MSHV_DEVICE_CREATE_PARTITION): return try create(try load(argument))
        case (.device, HV_MSHV_DEVICE_ROOT_HVCALL) where driver.state.withLock({ $0.generation }) == .first:
            throw Errno(ENOTTY)
        case (_, HV_MSHV_PARTITION_ROOT_HVCALL): try hypercall(argument)
        case (.partition, HV_MSHV_PARTITION_INITIALIZE): break
        case (.partition, HV_MSHV_PARTITION_CREATE_VP): return make(.vp)
        case (.partition, HV_MSHV_PARTITION_SET_GUEST_MEMORY): try setMemory(try load(argument))
        case (.partition, HV_MSHV_PARTITION_IRQFD):
            let value: mshv_user_irqfd = try load(argument)
            driver.state.withLock { $0.irqfds.append(value) }
        case (.partition, HV_MSHV_PARTITION_IOEVENTFD):
            let value: mshv_user_ioeventfd = try load(argument)
            driver.state.withLock { $0.doorbells.append(value) }
        case (.partition, HV_MSHV_PARTITION_SET_MSI_ROUTING): try setRoutes(argument)
        case (.partition, HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP):
            let value: mshv_gpap_access_bitmap = try load(argument)
            UnsafeMutablePointer<UInt8>(bitPattern: UInt(value.bitmap_ptr))?.pointee = value.access_op << 4 | 5
        case (.vp, HV_MSHV_VP_RUN): return try runVP(argument)
        case (.vp, HV_MSHV_VP_GET_STATE), (.vp, HV_MSHV_VP_SET_STATE):
            try vpState(argument, isSetting: request == HV_MSHV_VP_SET_STATE)
        default: throw Errno(ENOTTY)
        }
        return 0
    }

    private func load<T>(_ argument: UnsafeMutableRawPointer?) throws(Errno) -> T {
        guard let argument else { throw Errno(EFAULT) }
        return argument.load(as: T.self)
    }

    private func make(_ kind: Kind) -> Int32 {
        driver.state.withLock { state in
            state.nextNumber += 1
            state.kinds[state.nextNumber] = kind
            return state.nextNumber
        }
    }

    private func create(_ arguments: mshv_create_partition_v2) throws(Errno) -> Int32 {
        let known: UInt64 = driver.state.withLock { $0.generation } == .first ? 0x7 : 0x3F
        guard arguments.pt_flags & ~known == 0 else { throw Errno(EINVAL) }
        driver.state.withLock { $0.create.append(arguments) }
        return make(.partition)
    }

    private func setMemory(_ region: mshv_user_mem_region) throws(Errno) {
        let region = FakeDriver.Region(
            page: region.guest_pfn, pages: region.size / 4096, address: region.userspace_addr, flags: region.flags)
        try driver.state.withLock { state throws(Errno) in
            if region.flags & 4 != 0 {
                guard
                    let place = state.regions.firstIndex(where: {
                        $0.page == region.page && $0.pages == region.pages && $0.address == region.address
                    })
                else { throw Errno(EINVAL) }
                state.regions.remove(at: place)
                state.regionLog.append("-\(region.page)+\(region.pages)")
            } else {
                let end = region.page + region.pages
                if state.regions.contains(where: { $0.page < end && region.page < $0.page + $0.pages }) {
                    throw Errno(EEXIST)
                }
                state.regions.append(region)
                state.regionLog.append("+\(region.page)+\(region.pages)")
            }
        }
    }

    private func setRoutes(_ argument: UnsafeMutableRawPointer?) throws(Errno) {
        let table: mshv_user_irq_table = try load(argument)
        guard let argument else { throw Errno(EFAULT) }
        let entries = (0..<Int(table.nr)).map {
            argument.load(fromByteOffset: 8 + 16 * $0, as: mshv_user_irq_entry.self)
        }
        driver.state.withLock { $0.routes.append(entries) }
    }

    private func runVP(_ argument: UnsafeMutableRawPointer?) throws(Errno) -> Int32 {
        let step = driver.state.withLock { $0.runs.isEmpty ? FakeDriver.Run.sleep : $0.runs.removeFirst() }
        switch step {
        case .message(let content):
            guard let argument,
                (try? HypervisorMessage(content).encode(
                    into: UnsafeMutableRawBufferPointer(start: argument, count: 256))) != nil
            else { throw Errno(EFAULT) }
            return 0
        case .failure(let code): throw Errno(code)
        case .sleep:
            _ = poll(nil, 0, -1)
            throw Errno.last
        }
    }

    private func vpState(_ argument: UnsafeMutableRawPointer?, isSetting: Bool) throws(Errno) {
        var value: mshv_get_set_vp_state = try load(argument)
        let needed = value.type == 1 ? driver.state.withLock { $0.xsaveSize } : value.type == 4 ? 200 : 4096
        let room = Int(value.buf_sz)
        guard room % 4096 == 0, value.buf_ptr % 4096 == 0 else { throw Errno(EINVAL) }
        value.buf_sz = UInt32(needed)
        argument?.storeBytes(of: value, as: mshv_get_set_vp_state.self)
        guard needed <= room, let bytes = UnsafeMutableRawPointer(bitPattern: UInt(value.buf_ptr)) else {
            throw Errno(EINVAL)
        }
        driver.state.withLock { [value] state in
            if isSetting {
                state.states[value.type] = Array(UnsafeRawBufferPointer(start: bytes, count: needed))
            } else {
                bytes.initializeMemory(as: UInt8.self, repeating: value.type + 1, count: needed)
            }
        }
    }
}
