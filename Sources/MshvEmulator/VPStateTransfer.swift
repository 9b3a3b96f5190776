import CMshv
import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import LinuxSystem

/// MSHV_GET_VP_STATE and MSHV_SET_VP_STATE by the hypervisor's calls, which take pages of the root.
struct VPStateTransfer {
    private let hypervisor: EmbeddedHypervisor
    private let client: HypercallClient
    private let partition: PartitionID
    private let index: VPIndex

    init(_ hypervisor: EmbeddedHypervisor, _ client: HypercallClient, _ partition: PartitionID, _ index: VPIndex) {
        self.hypervisor = hypervisor
        self.client = client
        self.partition = partition
        self.index = index
    }

    /// More than the XSAVE area of any processor.
    private static let mostPages = 16

    func get(_ type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        if Int(type) == Int(MSHV_VP_STATE_SYNTHETIC_TIMERS) { return timers(into: buffer) }
        guard let input = input(type) else { return (EINVAL, 0) }
        return withPages { memory, pages in
            var status = HypercallStatus.insufficientBuffer
            var count = 0
            // The call does not tell how many it needs.
            while status == .insufficientBuffer, count < pages.count {
                count += 1
                do throws(HypercallFailure) {
                    try client.readVPState(input, into: Array(pages[..<count]))
                    status = .success
                } catch {
                    status = error.status
                }
            }
            guard status == .success else { return (Errno(status).code, pageSize) }
            let needed = count * pageSize
            guard buffer.count >= needed else { return (EINVAL, needed) }
            buffer.copyMemory(from: UnsafeRawBufferPointer(start: memory, count: needed))
            return (0, needed)
        } ?? (ENOMEM, pageSize)
    }

    func set(_ type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32 {
        if Int(type) == Int(MSHV_VP_STATE_SYNTHETIC_TIMERS) { return setTimers(from: bytes) }
        guard let input = input(type), bytes.count <= Self.mostPages * pageSize else { return EINVAL }
        return withPages { memory, pages in
            memory.copyMemory(
                from: UnsafeRawPointer(bytes.baseAddress ?? UnsafeRawPointer(memory)), byteCount: bytes.count)
            let count = (bytes.count + pageSize - 1) / pageSize
            do throws(HypercallFailure) {
                try client.writeVPState(input, from: Array(pages[..<count]))
                return 0
            } catch {
                return Errno(error.status).code
            }
        } ?? ENOMEM
    }

    private func input(_ type: UInt8) -> VPStateInput? {
        let known: VPStateType? =
            switch Int(type) {
            case Int(MSHV_VP_STATE_LAPIC): .localAPIC
            case Int(MSHV_VP_STATE_XSAVE): .xsave
            case Int(MSHV_VP_STATE_SIMP): .simPage
            case Int(MSHV_VP_STATE_SIEFP): .siefPage
            default: nil
            }
        return known.map { VPStateInput(partition: partition, index: index, type: $0) }
    }

    /// Calls `body` with pages that are the root's meanwhile.
    ///
    /// - Returns: nil where there is no memory for them.
    private func withPages<Result>(_ body: (UnsafeMutableRawPointer, [UInt64]) -> Result) -> Result? {
        guard let mapping = try? MemoryMapping(anonymous: Self.mostPages * pageSize) else { return nil }
        let base = mapping.base
        hypervisor.registerRootMemory(base: base, count: Self.mostPages * pageSize)
        defer { hypervisor.unregisterRootMemory(base: base, count: Self.mostPages * pageSize) }
        let first = UInt64(UInt(bitPattern: base)) / UInt64(pageSize)
        return withExtendedLifetime(mapping) { body(base, (0..<Self.mostPages).map { first + UInt64($0) }) }
    }

    // MARK: Timers, which are in the call itself

    private func timers(into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        guard buffer.count >= pageSize else { return (EINVAL, pageSize) }
        do throws(HypercallFailure) {
            let timers = try client.syntheticTimers(of: index, in: partition)
            for place in 0..<pageSize { buffer[place] = 0 }
            guard (try? timers.encode(into: ByteWriter(buffer))) != nil else { return (EIO, pageSize) }
            return (0, pageSize)
        } catch {
            return (Errno(error.status).code, pageSize)
        }
    }

    private func setTimers(from bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let timers = try? SyntheticTimersState(decoding: ByteReader(bytes)) else { return EINVAL }
        do throws(HypercallFailure) {
            try client.setSyntheticTimers(timers, of: index, in: partition)
            return 0
        } catch {
            return Errno(error.status).code
        }
    }
}
