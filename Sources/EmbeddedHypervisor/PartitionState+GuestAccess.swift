import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Access to guest memory from outside the guest, and what is known of the guest's own.
///
/// - A page without a mapping is `unmapped`. One that is mapped without access, or without reading, intercepts reads
///   and writes; one without writing intercepts writes. An access whose pages differ ends with the first of them that
///   is refused, and nothing is done. Memory that the root has mapped for the guest but can't touch itself counts as
///   unmapped.
/// - While the property for tracking is on, a page is dirty from when it is mapped, or from when the tracking begins,
///   until that is cleared, and again from when the guest or HvCallWriteGpa writes it. Without a mapping, or mapped
///   without reading, it is neither accessed nor dirty and can't be made so. Every other page is accessed always: no
///   engine can tell, and a page that is said to be touched is at worst looked at in vain.
extension PartitionState {
    /// - Throws: `invalidParameter` for 0 or more than 16 bytes, and for an address beyond 52 bits.
    func read(_ input: AccessGPAInput) throws(HypercallStatus) -> ReadGPAOutput {
        try checkAccess(input)
        var bytes = [UInt8](repeating: 0, count: Int(input.byteCount))
        let result = bytes.withUnsafeMutableBytes { read(input.gpa, into: $0) }
        return ReadGPAOutput(result: result, data: result == .success ? GPAData(bytes) : GPAData())
    }

    /// - Throws: as `read`.
    mutating func write(_ input: WriteGPAInput) throws(HypercallStatus) -> GPAAccessResult {
        try checkAccess(input.access)
        let bytes = Array(input.data.bytes.prefix(Int(input.access.byteCount)))
        return bytes.withUnsafeBytes { write(input.access.gpa, from: $0) }
    }

    private func checkAccess(_ input: AccessGPAInput) throws(HypercallStatus) {
        _ = try processor(input.index)
        guard (1...UInt32(AccessGPAInput.maximumBytes)).contains(input.byteCount),
            input.gpa <= Limits.gpaEnd - UInt64(input.byteCount)
        else { throw HypercallStatus.invalidParameter }
    }

    /// - Throws: `invalidPartitionState` while the tracking is off; `invalidParameter` for unknown flags, for clearing
    ///   and setting the same, and for pages beyond 52 bits; `featureUnavailable` where the engine can't tell.
    mutating func accessStates(
        _ input: GetGPAAccessStatesInput, count: Int
    ) throws(HypercallStatus) -> [GPAAccessState] {
        try requireActive()
        guard isTrackingAccess else { throw HypercallStatus.invalidPartitionState }
        guard GPAAccessStateFlags.known.isSuperset(of: input.flags),
            !input.flags.isSuperset(of: [.clearAccessed, .setAccessed]),
            !input.flags.isSuperset(of: [.clearDirty, .setDirty]),
            UInt64(count) <= Limits.gpaPages, input.gpaPage <= Limits.gpaPages - UInt64(count)
        else { throw HypercallStatus.invalidParameter }
        guard let engine else { throw HypercallStatus.invalidPartitionState }
        let range = input.gpaPage..<(input.gpaPage + UInt64(count))
        for written in try engine.takeDirtyPages(range) { memory.markDirty(written.clamped(to: range)) }
        let states = memory.accessStates(range)
        if input.flags.contains(.clearDirty) { memory.markClean(range) }
        if input.flags.contains(.setDirty) { memory.markDirty(range) }
        return states
    }

    var isTrackingAccess: Bool { (try? properties.value(of: .gpaPageAccessTracking)).map { $0 != 0 } ?? false }

    /// What the property's change does: all pages are dirty then.
    mutating func trackAccess(_ isOn: Bool) {
        memory.markAllDirty()
        do throws(HypervisorError) {
            try engine?.setDirtyTracking(isOn)
        } catch {
            _ = failed("tracking written pages", error)
        }
    }

    /// Checks what an isolated guest's parent asks for; there are no isolated guests here, so nothing changes.
    ///
    /// `invalidParameter` for unknown flags, for pages both exclusive and shared or both large and huge, for a page
    /// that is not aligned to its size or not root memory; `operationDenied` for one that is deposited. The call is
    /// left at the first such page.
    func acquireHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome {
        do throws(HypercallStatus) {
            try checkHostAccess(input)
        } catch {
            return .refused(error)
        }
        let size: UInt64 = input.flags.contains(.hugePage) ? 512 * 512 : input.flags.contains(.largePage) ? 512 : 1
        for (done, page) in pages.enumerated() {
            guard page.isMultiple(of: size) else { return RepOutcome(done, .invalidParameter) }
            let status = root.checkUse(of: page)
            if status != .success { return RepOutcome(done, status) }
        }
        return RepOutcome(pages.count, .success)
    }

    /// As `acquireHostAccess`, but where all is right it is `featureUnavailable`: the root would keep its access.
    func releaseHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome {
        let outcome = acquireHostAccess(input, pages: pages)
        return outcome.status == .success ? .refused(.featureUnavailable) : .refused(outcome.status)
    }

    private func checkHostAccess(_ input: SPAHostAccessInput) throws(HypercallStatus) {
        try requireActive()
        guard SPAHostAccessFlags.known.isSuperset(of: input.flags),
            !input.flags.isSuperset(of: [.makeExclusive, .makeShared]),
            !input.flags.isSuperset(of: [.largePage, .hugePage])
        else { throw HypercallStatus.invalidParameter }
    }

    // MARK: Bytes

    /// Copies guest memory. The range is within 52 bits.
    func read(_ gpa: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> GPAAccessResult {
        let parts: [GuestPart]
        switch self.parts(gpa, count: buffer.count, writing: false) {
        case .success(let found): parts = found
        case .failure(let refusal): return refusal.result
        }
        for part in parts {
            do throws(Errno) {
                try OwnMemory.read(part.address, into: UnsafeMutableRawBufferPointer(rebasing: buffer[part.bytes]))
            } catch {
                return .unmapped
            }
        }
        return .success
    }

    /// Copies into guest memory, which counts as a write of the guest. The range is within 52 bits.
    mutating func write(_ gpa: UInt64, from buffer: UnsafeRawBufferPointer) -> GPAAccessResult {
        let parts: [GuestPart]
        switch self.parts(gpa, count: buffer.count, writing: true) {
        case .success(let found): parts = found
        case .failure(let refusal): return refusal.result
        }
        for part in parts {
            do throws(Errno) {
                try OwnMemory.write(part.address, from: UnsafeRawBufferPointer(rebasing: buffer[part.bytes]))
            } catch {
                return .unmapped
            }
            memory.markDirty(part.page..<(part.page + 1))
        }
        return .success
    }

    /// Sets bits of one byte of guest memory, as a processor's page walk does.
    mutating func setBits(_ bits: UInt8, at gpa: UInt64) -> GPAAccessResult {
        switch takeBits(bits, at: gpa) {
        case .success: .success
        case .failure(let refusal): refusal.result
        }
    }

    /// Sets bits of one byte of guest memory, atomically, and gives the byte as it was.
    mutating func takeBits(_ bits: UInt8, at gpa: UInt64) -> Result<UInt8, AccessRefusal> {
        switch parts(gpa, count: 1, writing: true) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let parts):
            guard let part = parts.first, let before = try? OwnMemory.setBits(bits, at: part.address) else {
                return .failure(AccessRefusal(result: .unmapped))
            }
            memory.markDirty(part.page..<(part.page + 1))
            return .success(before)
        }
    }

    /// A piece of an access that lies in one guest page.
    private struct GuestPart {
        var page: UInt64
        /// In this process.
        var address: UInt64
        /// Of the access.
        var bytes: Range<Int>
    }

    struct AccessRefusal: Error { var result: GPAAccessResult }

    private func parts(_ gpa: UInt64, count: Int, writing: Bool) -> Result<[GuestPart], AccessRefusal> {
        let size = UInt64(pageSize)
        var parts: [GuestPart] = []
        var done = 0
        while done < count {
            let address = gpa + UInt64(done)
            let page = address / size
            let length = min(count - done, Int(size - address % size))
            guard let backing = memory.extents[page] else { return .failure(AccessRefusal(result: .unmapped)) }
            guard let source = backing.source, backing.flags.contains(.readable),
                !writing || backing.flags.contains(.writable)
            else { return .failure(AccessRefusal(result: writing ? .writeIntercept : .readIntercept)) }
            guard root.checkUse(of: source) == .success else { return .failure(AccessRefusal(result: .unmapped)) }
            parts.append(
                GuestPart(page: page, address: source * size + address % size, bytes: done..<(done + length)))
            done += length
        }
        return .success(parts)
    }
}
