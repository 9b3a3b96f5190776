import CMshv
import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import LinuxSystem
import Synchronization

extension EmulatedPartition {
    // MARK: MSHV_SET_GUEST_MEMORY

    private static let knownFlags = HV_MSHV_MEM_WRITABLE | HV_MSHV_MEM_EXECUTABLE | HV_MSHV_MEM_UNMAP

    func setGuestMemory(_ argument: UInt64) throws(Errno) {
        let request = try UserMemory.load(mshv_user_mem_region(), at: argument)
        let page = UInt64(pageSize)
        let isReservedZero = withUnsafeBytes(of: request.rsvd) { $0.allSatisfy { $0 == 0 } }
        guard request.size > 0, request.size % page == 0, request.userspace_addr % page == 0,
            request.flags & ~Self.knownFlags == 0, isReservedZero
        else { throw Errno(EINVAL) }
        try state.withLock { state throws(Errno) in
            if request.flags & HV_MSHV_MEM_UNMAP != 0 {
                try unmap(request, &state)
            } else {
                try map(request, &state)
            }
        }
    }

    private func map(_ request: mshv_user_mem_region, _ state: inout State) throws(Errno) {
        guard UserMemory.isUserRange(request.userspace_addr, request.size),
            UserMemory.isMapped(request.userspace_addr, UInt64(pageSize))
        else { throw Errno(EINVAL) }
        let (end, overflow) = request.guest_pfn.addingReportingOverflow(request.size / UInt64(pageSize))
        if overflow { throw Errno(EINVAL) }
        let pages = request.guest_pfn..<end
        guard !state.regions.contains(where: { $0.pages.overlaps(pages) }) else { throw Errno(EEXIST) }
        // What a hypercall can't say: the hypervisor would refuse it as a wrong parameter.
        guard end <= 1 << 52 else { throw Errno(EINVAL) }
        // A driver that pins the memory finds out at once that some of it is not there.
        guard UserMemory.isMapped(request.userspace_addr, request.size) else { throw Errno(EFAULT) }
        var flags: MapGPAFlags = [.readable]
        if request.flags & HV_MSHV_MEM_WRITABLE != 0 { flags.insert(.writable) }
        if request.flags & HV_MSHV_MEM_EXECUTABLE != 0 { flags.formUnion(.executable) }
        let region = MemoryRegion(pages: pages, address: request.userspace_addr, flags: flags)
        try emulator.driver.map(region, in: id)
        state.regions.append(region)
    }

    private func unmap(_ request: mshv_user_mem_region, _ state: inout State) throws(Errno) {
        guard let place = state.regions.firstIndex(where: { $0.pages.contains(request.guest_pfn) }) else {
            throw Errno(ENOENT)
        }
        let region = state.regions[place]
        guard region.address == request.userspace_addr, region.pages.lowerBound == request.guest_pfn,
            region.count == request.size
        else { throw Errno(EINVAL) }
        state.regions.remove(at: place)
        emulator.driver.unmap(region, in: id)
    }

    // MARK: MSHV_GET_GPAP_ACCESS_BITMAP

    /// Pages for one request: more would need a larger buffer than a kernel gives.
    private static let mostPages: UInt64 = 1 << 30
    /// Repetitions that the driver asks for at once.
    private static let statesBatch: UInt64 = 4095

    func readAccessBitmap(_ argument: UInt64) throws(Errno) {
        let request = try UserMemory.load(mshv_gpap_access_bitmap(), at: argument)
        let isReservedZero = withUnsafeBytes(of: request.rsvd) { $0.allSatisfy { $0 == 0 } }
        guard Int32(request.access_type) <= Int32(MSHV_GPAP_ACCESS_TYPE_DIRTY),
            Int32(request.access_op) <= Int32(MSHV_GPAP_ACCESS_OP_SET), isReservedZero, request.page_count > 0,
            request.bitmap_ptr != 0
        else { throw Errno(EINVAL) }
        guard request.page_count <= Self.mostPages else { throw Errno(ENOMEM) }
        let isDirty = Int32(request.access_type) == Int32(MSHV_GPAP_ACCESS_TYPE_DIRTY)
        let flags = Self.stateFlags(isDirty: isDirty, operation: Int32(request.access_op))
        var bitmap = [UInt8](repeating: 0, count: Int((request.page_count + 7) / 8))
        try state.withLock { _ throws(Errno) in
            var done: UInt64 = 0
            while done < request.page_count {
                let count = min(request.page_count - done, Self.statesBatch)
                let states = try accessStates(first: request.gpap_base &+ done, count: Int(count), flags: flags)
                for (offset, state) in states.enumerated() where state & (isDirty ? 2 : 1) != 0 {
                    let bit = Int(done) + offset
                    bitmap[bit / 8] |= 1 << (bit % 8)
                }
                done += UInt64(states.count)
            }
        }
        let copied = bitmap.withUnsafeBytes { bytes -> Errno? in
            do throws(Errno) {
                try UserMemory.copyOut(bytes, to: request.bitmap_ptr)
                return nil
            } catch {
                return error
            }
        }
        if let copied { throw copied }
    }

    /// HV_GPA_PAGE_ACCESS_STATE_FLAGS. A page that was not accessed is not dirty, and a dirty one was accessed.
    private static func stateFlags(isDirty: Bool, operation: Int32) -> UInt64 {
        let (clearAccessed, setAccessed, clearDirty, setDirty): (UInt64, UInt64, UInt64, UInt64) = (1, 2, 4, 8)
        switch operation {
        case Int32(MSHV_GPAP_ACCESS_OP_CLEAR): return isDirty ? clearDirty : clearAccessed | clearDirty
        case Int32(MSHV_GPAP_ACCESS_OP_SET): return isDirty ? setDirty | setAccessed : setAccessed
        default: return 0
        }
    }

    /// The states of up to `count` pages, at least one.
    private func accessStates(first: UInt64, count: Int, flags: UInt64) throws(Errno) -> [UInt8] {
        var input: [UInt8] = []
        for value in [id.rawValue, flags, first] {
            withUnsafeBytes(of: value.littleEndian) { input.append(contentsOf: $0) }
        }
        var states = [UInt8](repeating: 0, count: count)
        let control = ControlWord(.getGpaPagesAccessStates, repCount: count)
        let result = input.withUnsafeBytes { input in
            states.withUnsafeMutableBytes { emulator.hypervisor.port.execute(control, input: input, output: $0) }
        }
        guard result.status == .success else { throw Errno(result.status) }
        // Success without progress would never end.
        guard (1...count).contains(result.repsCompleted) else { throw Errno(EIO) }
        return Array(states[..<result.repsCompleted])
    }
}
