import CMshv
import Glibc
import Hypervisor
import LinuxSystem
import Synchronization

/// A partition's guest memory, as regions of the driver.
///
/// The driver takes whole regions, pins or tracks each, and gives back only exactly what it took. Hypercalls map in
/// batches of 509 pages; so neighbours are joined, and regions are installed when the first processor is made or runs.
/// From then on each change takes effect at once.
final class MshvMemory: Sendable {
    private let descriptor: any MshvDescriptor
    private let armed = Atomic<Bool>(false)
    private let state = Mutex(State())

    private struct State {
        var map = GuestMemoryMap()
        var isArmed = false
        var isClosed = false
        var gates: [ObjectIdentifier: RunGate] = [:]
    }

    init(_ descriptor: any MshvDescriptor) { self.descriptor = descriptor }

    /// From now on memory changes stop the processor behind `gate` too.
    func add(_ gate: RunGate) { state.withLock { $0.gates[ObjectIdentifier(gate)] = gate } }

    /// The processor is gone.
    func remove(_ gate: RunGate) {
        state.withLock { state in
            state.gates[ObjectIdentifier(gate)] = nil
            guard state.gates.isEmpty else { return }
            // Nobody runs: what is unmapped from now on needs nothing in its place until somebody does again.
            state.isArmed = false
            armed.store(false, ordering: .releasing)
        }
    }

    /// The extents as they are; those with a slot are regions of the driver.
    var extents: [MemoryExtent] { state.withLock { $0.map.extents } }

    /// Installs what waits for it. Every run begins with it.
    func arm() throws(HypervisorError) {
        if armed.load(ordering: .acquiring) { return }
        try state.withLock { (state) throws(HypervisorError) in
            if state.isClosed { throw HypervisorError("the partition has ended") }
            if state.isArmed { return }
            for extent in state.map.extents where extent.slot == nil { try install(extent, &state) }
            state.isArmed = true
            armed.store(true, ordering: .releasing)
        }
    }

    func map(_ extent: MemoryExtent) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in
            // Regions that exist stay as they are: only what is not installed yet can grow.
            try state.map.insert(extent, merging: !state.isArmed && state.map.extents.allSatisfy { $0.slot == nil })
            guard state.isArmed else { return }
            do throws(HypervisorError) {
                try install(extent, &state)
            } catch {
                _ = try state.map.remove(gpa: extent.gpa, count: extent.count)
                throw error
            }
        }
    }

    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in
            let (gone, left) = try state.map.remove(gpa: gpa, count: count)
            let regions = gone.filter { $0.slot != nil }
            guard !regions.isEmpty else { return }
            // All processors stand still meanwhile: what is left of a region is away for a moment, and no access to
            // it may look like one to a device.
            for gate in state.gates.values { gate.beginHold() }
            for gate in state.gates.values { gate.waitUntilOutside() }
            defer { for gate in state.gates.values { gate.release() } }
            for region in regions { try uninstall(region) }
            guard state.isArmed else { return }
            for extent in left { try install(extent, &state) }
        }
    }

    /// Forgets all of it; the driver unmaps what it has with the partition's last descriptor.
    func close() {
        state.withLock { state in
            state.isClosed = true
            armed.store(false, ordering: .releasing)
            state.map = GuestMemoryMap()
            state.gates = [:]
        }
    }

    // MARK: What is in it

    /// Reads guest memory; nil where there is none.
    func read(_ gpa: UInt64, count: Int) -> [UInt8]? {
        state.withLock { state in
            guard let source = Self.address(gpa, count, in: state.map, writing: false) else { return nil }
            // Sound: the owner keeps the memory mapped in this process until it is unmapped here, which takes the same
            // lock. The guest may change it meanwhile; any bytes will do.
            return [UInt8](UnsafeRawBufferPointer(start: source, count: count))
        }
    }

    /// Writes guest memory; false where there is none that the guest may write.
    func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool {
        state.withLock { state in
            guard let target = Self.address(gpa, bytes.count, in: state.map, writing: true) else { return false }
            // Sound: as above.
            target.copyMemory(from: bytes, byteCount: bytes.count)
            return true
        }
    }

    private static func address(
        _ gpa: UInt64, _ count: Int, in map: GuestMemoryMap, writing: Bool
    ) -> UnsafeMutableRawPointer? {
        guard count >= 0, count <= pageSize, let extent = map.extent(at: gpa), extent.end - gpa >= UInt64(count),
            !writing || extent.access.contains(.write)
        else { return nil }
        return UnsafeMutableRawPointer(bitPattern: extent.host + UInt(gpa - extent.gpa))
    }

    // MARK: The driver

    private func install(_ extent: MemoryExtent, _ state: inout State) throws(HypervisorError) {
        var flags: UInt8 = 0
        if extent.access.contains(.write) { flags |= HV_MSHV_MEM_WRITABLE }
        if extent.access.contains(.execute) { flags |= HV_MSHV_MEM_EXECUTABLE }
        do throws(Errno) {
            try set(extent, flags: flags)
        } catch {
            throw HypervisorError(
                "the driver refuses 0x\(hex(extent.count)) bytes of memory at 0x\(hex(extent.gpa)): \(error)")
        }
        state.map.setSlot(0, at: extent.gpa)
    }

    private func uninstall(_ extent: MemoryExtent) throws(HypervisorError) {
        do throws(Errno) {
            try set(extent, flags: HV_MSHV_MEM_UNMAP)
        } catch {
            throw HypervisorError("the driver does not take away the memory at 0x\(hex(extent.gpa)): \(error)")
        }
    }

    private func set(_ extent: MemoryExtent, flags: UInt8) throws(Errno) {
        var region = mshv_user_mem_region()
        region.size = extent.count
        region.guest_pfn = extent.gpa / UInt64(pageSize)
        region.userspace_addr = UInt64(extent.host)
        region.flags = flags
        try descriptor.call(HV_MSHV_PARTITION_SET_GUEST_MEMORY, &region)
    }
}

func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
