import HypercallABI
import HypercallCore
import LinuxSystem
import Synchronization

/// What the owner remembers of guest memory that it mapped.
struct MappedMemory: ExtentValue {
    /// The root's page number.
    var source: UInt64
    /// Whether it was mapped in pages of 2 MiB, and is unmapped so.
    var isLarge: Bool
    var isWritable: Bool

    func advanced(by pages: UInt64) -> MappedMemory {
        MappedMemory(source: source + pages, isLarge: isLarge, isWritable: isWritable)
    }
}

extension Partition {
    /// Pages of 4 KiB in one of 2 MiB.
    private static let largePages: UInt64 = 512

    /// Makes `count` bytes of this process the guest's memory at `gpa`, executable, in pages of 2 MiB where both sides
    /// are aligned to that. The memory is registered with the hypervisor here and stays so until it is unmapped; it
    /// must stay mapped in this process that long.
    ///
    /// - Parameters: `gpa`, `memory` and `count` are multiples of 4096; nothing is mapped in the range yet.
    /// - Throws: `HypervisorError`; what was already mapped is unmapped again then.
    package func map(
        gpa: UInt64, memory: UnsafeMutableRawPointer, count: Int, writable: Bool
    ) throws(HypervisorError) {
        let page = UInt64(pageSize)
        let address = UInt64(UInt(bitPattern: memory))
        guard count > 0, gpa % page == 0, address % page == 0, count % pageSize == 0 else {
            throw HypervisorError(
                "partition \(id): mapping \(count) bytes at guest address 0x\(String(gpa, radix: 16)): "
                    + "both addresses and the size must be multiples of 4096")
        }
        let first = gpa / page
        let pages = UInt64(count / pageSize)
        // Neither side can overflow: addresses are below 2^64 and so page numbers below 2^52.
        let range = first..<(first + pages)
        try state.withLock { state throws(HypervisorError) in
            try Self.requireAlive(state, id)
            guard state.mappings.isEmpty(in: range) else {
                throw HypervisorError(
                    "partition \(id): guest address 0x\(String(gpa, radix: 16)) has memory already; unmap it first")
            }
            backend.registerRootMemory(base: memory, count: count)
            do throws(HypervisorError) {
                for part in Self.parts(range, source: address / page, writable: writable) {
                    try mapPart(part, &state)
                    state.mappings.replace(part.range, with: part.value)
                }
            } catch {
                for piece in state.mappings.pieces(in: range) { try? unmapExtent(piece) }
                state.mappings.replace(range, with: nil)
                backend.unregisterRootMemory(base: memory, count: count)
                throw error
            }
        }
    }

    /// Takes `count` bytes of guest memory at `gpa` away. Parts that have none stay as they are.
    ///
    /// - Parameters: `gpa` and `count` are multiples of 4096.
    package func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        let page = UInt64(pageSize)
        guard gpa % page == 0, count % page == 0 else {
            throw HypervisorError(
                "partition \(id): unmapping \(count) bytes at guest address 0x\(String(gpa, radix: 16)): "
                    + "the address and the size must be multiples of 4096")
        }
        let range = (gpa / page)..<(gpa / page + count / page)
        try state.withLock { state throws(HypervisorError) in
            try Self.requireAlive(state, id)
            for piece in state.mappings.pieces(in: range) {
                try unmapExtent(piece)
                state.mappings.replace(piece.range, with: nil)
                unregister(piece)
            }
        }
    }

    /// Unmaps a run that was mapped in one way.
    func unmapExtent(_ extent: ExtentMap<MappedMemory>.Extent) throws(HypervisorError) {
        for part in Self.parts(extent.range, source: extent.value.source, writable: extent.value.isWritable) {
            let isLarge = part.value.isLarge && extent.value.isLarge
            let pages = part.range.upperBound - part.range.lowerBound
            do throws(HypercallFailure) {
                try client.unmapGPAPages(
                    id, gpaPage: part.range.lowerBound, flags: isLarge ? .largePage : [],
                    count: Int(isLarge ? pages / Self.largePages : pages))
            } catch {
                throw HypervisorError(
                    "partition \(id): unmapping guest address 0x"
                        + "\(String(part.range.lowerBound * UInt64(pageSize), radix: 16)): \(error)")
            }
        }
    }

    /// Ends the registration of a run's memory that `map` made.
    func unregister(_ extent: ExtentMap<MappedMemory>.Extent) {
        let address = UInt(extent.value.source) * UInt(pageSize)
        guard let base = UnsafeMutableRawPointer(bitPattern: address) else { return }
        backend.unregisterRootMemory(
            base: base, count: Int(extent.range.upperBound - extent.range.lowerBound) * pageSize)
    }

    /// Maps one part, depositing as often as it needs, and continues where a call stopped.
    private func mapPart(_ part: ExtentMap<MappedMemory>.Extent, _ state: inout State) throws(HypervisorError) {
        let stride = part.value.isLarge ? Self.largePages : 1
        let total = Int((part.range.upperBound - part.range.lowerBound) / stride)
        var flags: MapGPAFlags = [.readable, .executable]
        if part.value.isWritable { flags.insert(.writable) }
        if part.value.isLarge { flags.insert(.largePage) }
        var done = 0
        // Deposits in a row that brought nothing; a few are normal, many are another problem.
        var vain = 0
        while done < total {
            do throws(HypercallFailure) {
                let start = UInt64(done) * stride
                let source = part.value.source + start
                try client.mapGPAPages(
                    id, gpaPage: part.range.lowerBound + start, flags: flags, count: total - done
                ) { source + UInt64($0) * stride }
                return
            } catch {
                done += error.repsCompleted
                vain = error.repsCompleted > 0 ? 0 : vain + 1
                guard error.status == .insufficientMemory, vain < 64 else {
                    unmapBeginning(of: part, count: done)
                    throw HypervisorError(
                        "partition \(id): mapping guest address 0x"
                            + "\(String(part.range.lowerBound * UInt64(pageSize), radix: 16)): \(error)")
                }
            }
            do throws(HypervisorError) {
                try deposits.deposit(DepositCount.mapGPAPages, to: id)
            } catch {
                unmapBeginning(of: part, count: done)
                throw error
            }
            state.depositedPages += UInt64(DepositCount.mapGPAPages)
        }
    }

    private func unmapBeginning(of part: ExtentMap<MappedMemory>.Extent, count: Int) {
        guard count > 0 else { return }
        try? client.unmapGPAPages(
            id, gpaPage: part.range.lowerBound, flags: part.value.isLarge ? .largePage : [], count: count)
    }

    /// Cuts a range into what is aligned to 2 MiB on both sides and what lies before and behind it.
    private static func parts(
        _ range: Range<UInt64>, source: UInt64, writable: Bool
    ) -> [ExtentMap<MappedMemory>.Extent] {
        typealias Extent = ExtentMap<MappedMemory>.Extent
        func part(_ bounds: Range<UInt64>, isLarge: Bool) -> Extent {
            Extent(
                range: bounds,
                value: MappedMemory(
                    source: source + (bounds.lowerBound - range.lowerBound), isLarge: isLarge, isWritable: writable))
        }
        let low = (range.lowerBound + largePages - 1) / largePages * largePages
        let high = range.upperBound / largePages * largePages
        guard source % largePages == range.lowerBound % largePages, low < high else {
            return [part(range, isLarge: false)]
        }
        return [
            part(range.lowerBound..<low, isLarge: false), part(low..<high, isLarge: true),
            part(high..<range.upperBound, isLarge: false),
        ].filter { !$0.range.isEmpty }
    }
}
