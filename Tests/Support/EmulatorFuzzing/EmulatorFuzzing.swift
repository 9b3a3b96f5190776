import CMshv
import FuzzSupport
import Glibc
import HypercallABI
import HypercallModel
import LinuxSystem
import MshvEmulator

/// Drives the emulator's requests from bytes alone: a fuzzer's entry, and a test's. No processor runs, so it needs no
/// `/dev/kvm`.
package enum EmulatorFuzzing {
    /// More than a fuzzer finds something new in.
    private static let mostRequests = 64
    fileprivate static let mostFiles = 24

    /// The requests that the descriptors take, and the size of what each points to.
    private static let requests: [(number: UInt, count: Int)] = [
        (HV_MSHV_DEVICE_CREATE_PARTITION, MemoryLayout<mshv_create_partition_v2>.size),
        (HV_MSHV_DEVICE_ROOT_HVCALL, MemoryLayout<mshv_root_hvcall>.size),
        (HV_MSHV_PARTITION_INITIALIZE, 8),
        (HV_MSHV_PARTITION_CREATE_VP, MemoryLayout<mshv_create_vp>.size),
        (HV_MSHV_PARTITION_SET_GUEST_MEMORY, MemoryLayout<mshv_user_mem_region>.size),
        (HV_MSHV_PARTITION_SET_GUEST_MEMORY, MemoryLayout<mshv_user_mem_region>.size),
        (HV_MSHV_PARTITION_IRQFD, MemoryLayout<mshv_user_irqfd>.size),
        (HV_MSHV_PARTITION_IOEVENTFD, MemoryLayout<mshv_user_ioeventfd>.size),
        (HV_MSHV_PARTITION_SET_MSI_ROUTING, 8 + 4 * 24),
        (HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP, MemoryLayout<mshv_gpap_access_bitmap>.size),
        (HV_MSHV_VP_RUN, 256),
        (HV_MSHV_VP_GET_STATE, MemoryLayout<mshv_get_set_vp_state>.size),
        (HV_MSHV_VP_SET_STATE, MemoryLayout<mshv_get_set_vp_state>.size),
        (HV_MSHV_VP_TRANSLATE_GVA, MemoryLayout<mshv_translate_gva>.size),
        (HV_MSHV_PARTITION_CREATE_DEVICE, 16),
        (HV_MSHV_GENERIC_DEVICE_SET_ATTR, 24),
        (HV_MSHV_GENERIC_DEVICE_HAS_ATTR, 24),
    ]

    /// The calls that a program mostly makes through MSHV_ROOT_HVCALL.
    private static let calls: [CallCode] = [
        .getPartitionProperty, .setPartitionProperty, .getPartitionPropertyEx, .installIntercept, .getVpRegisters,
        .setVpRegisters, .translateVirtualAddress, .clearVirtualInterrupt, .registerInterceptResult,
        .assertVirtualInterrupt, .getGpaPagesAccessStates, .signalEventDirect, .postMessageDirect, .getVpCpuidValues,
        .createPort, .mmioWrite,
    ]

    /// Makes the requests that the bytes describe, on `/dev/mshv`, partitions and processors that they make. Nothing of
    /// it may trap, or touch memory that is not the fuzzer's.
    ///
    /// - Returns: false for a descriptor's result that cannot be.
    @discardableResult
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let arena = FuzzArena.shared else { return false }
        arena.clear()
        var source = FuzzBytes(bytes)
        let emulator = MshvEmulator(engine: ModelEngine(isWhole: source.byte() & 1 == 0), processorLimit: 4) {
            (_, _, index, pages, notifications) throws(HypercallStatus) in
            FakeProcessor(index, pages, notifications)
        }
        let files = Files()
        defer { files.end() }
        do throws(Errno) {
            files.list.append(try emulator.openDevice())
            // What most inputs would otherwise need long to come to.
            if source.byte() & 3 != 0 { try prepare(files, arena) }
        } catch {
            return false
        }
        for _ in 0..<mostRequests where !source.isAtEnd {
            if !request(&source, files, arena) { return false }
        }
        return true
    }

    /// A partition with two processors and memory.
    private static func prepare(_ files: Files, _ arena: FuzzArena) throws(Errno) {
        arena.clear()
        arena.store(mshv_create_partition(pt_flags: 7, pt_isolation: 0), at: 0)
        try files.ioctl(0, HV_MSHV_DEVICE_CREATE_PARTITION, arena.address)
        try files.ioctl(1, HV_MSHV_PARTITION_INITIALIZE, 0)
        for index in 0..<2 as Range<UInt32> {
            arena.store(mshv_create_vp(vp_index: index), at: 0)
            try files.ioctl(1, HV_MSHV_PARTITION_CREATE_VP, arena.address)
        }
        var region = mshv_user_mem_region()
        region.size = UInt64(FuzzArena.guestCount)
        region.userspace_addr = arena.address + UInt64(FuzzArena.requestCount)
        region.flags = 3
        arena.store(region, at: 0)
        try files.ioctl(1, HV_MSHV_PARTITION_SET_GUEST_MEMORY, arena.address)
    }

    private static func request(_ source: inout FuzzBytes, _ files: Files, _ arena: FuzzArena) -> Bool {
        let choice = Int(source.byte())
        let file = Int(source.byte()) % files.list.count
        var number: UInt
        var count = 256
        if choice < 0xF0 {
            (number, count) = requests[choice % requests.count]
        } else {
            number = UInt(HV_MSHV_MAGIC << 8) | UInt(source.byte()) | UInt(truncatingIfNeeded: source.word()) << 16
        }
        for offset in stride(from: 0, to: min(count, FuzzArena.requestCount - 8), by: 8) {
            arena.store(word(&source, arena), at: offset)
        }
        if number == HV_MSHV_PARTITION_ROOT_HVCALL, source.byte() & 7 != 0 { hypercall(&source, arena) }
        // Events of others must not be touched: those of these two requests are the fuzzer's, or none.
        let event = source.byte() & 3 == 0 ? -1 : arena.event.raw
        if number == HV_MSHV_PARTITION_IRQFD {
            arena.store(event, at: 0)
            arena.store(event, at: 4)
        } else if number == HV_MSHV_PARTITION_IOEVENTFD {
            arena.store(event, at: 20)
        }
        let argument = choice == 0xEF ? UInt64(source.byte()) : arena.address
        do throws(Errno) {
            return try files.ioctl(file, number, argument) >= 0
        } catch {
            return error.code > 0
        }
    }

    /// A root hypercall as the driver wants it, with input and output behind each other.
    private static func hypercall(_ source: inout FuzzBytes, _ arena: FuzzArena) {
        let code = calls[Int(source.byte()) % calls.count]
        var request = mshv_root_hvcall()
        request.code = code.rawValue
        request.reps = UInt16(source.byte() & 7)
        request.in_sz = 8 + UInt16(source.byte())
        request.out_sz = UInt16(source.byte()) + 1
        request.in_ptr = arena.address + 4096
        request.out_ptr = request.out_sz & 7 == 0 ? 0 : arena.address + 8192
        for offset in stride(from: 0, to: Int(request.in_sz) + 8, by: 8) {
            arena.store(word(&source, arena), at: 4096 + offset)
        }
        arena.store(request, at: 0)
    }

    /// Mostly what means something. No address but those of the arena is of this process's memory: an output only goes
    /// where one of these words says.
    private static func word(_ source: inout FuzzBytes, _ arena: FuzzArena) -> UInt64 {
        let kind = source.byte()
        let detail = UInt64(kind >> 3)
        let value: UInt64
        switch kind & 7 {
        case 0: value = detail
        case 1: return arena.address + detail * 4096 + UInt64(source.byte())
        case 2: return arena.address + (detail + UInt64(source.byte())) * 4096
        case 3: value = 1 << (detail << 1 | UInt64(source.byte() & 1))
        case 4: value = .max - detail
        case 5: value = UInt64(source.byte()) << 32 | UInt64(source.byte())
        case 6: value = UInt64(source.byte()) << 12 | detail
        default: value = source.word()
        }
        return FuzzArena.isUnused(value) ? value : value & 0xFFF
    }
}

/// The descriptors of one input.
private final class Files: @unchecked Sendable {
    // Unchecked: used by the fuzzer's one thread; installers are called on it.
    var list: [any EmulatedFile] = []

    @discardableResult
    func ioctl(_ index: Int, _ number: UInt, _ argument: UInt64) throws(Errno) -> Int32 {
        let file = list[index]
        return try file.ioctl(UInt32(truncatingIfNeeded: number), argument) { made throws(Errno) in
            if self.list.count >= EmulatorFuzzing.mostFiles { throw Errno(EMFILE) }
            self.list.append(made)
            return Int32(self.list.count)
        }
    }

    func end() { for file in list.reversed() { file.released() } }
}
