import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Guest memory: map and unmap calls as regions of the driver, and the pages that the guest touched.
extension MshvPartition {
    func map(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        try requireActive()
        let input = try MapGPAPagesInput(decoding: ByteReader(call.input))
        guard MapGPAFlags.known.isSuperset(of: input.flags) else { throw HypercallStatus.invalidParameter }
        // The driver maps readable memory; a range without access is one that is not mapped.
        guard input.flags.contains(.readable), !input.flags.contains(.noAccess) else {
            throw HypercallStatus.featureUnavailable
        }
        var access: GPAAccess = []
        if input.flags.contains(.writable) { access.insert(.write) }
        if !input.flags.isDisjoint(with: .executable) { access.insert(.execute) }
        let stride: UInt64 = input.flags.contains(.largePage) ? 512 : 1
        let reader = ByteReader(call.input)
        var runs: [(pages: Range<UInt64>, source: UInt64, reps: Int)] = []
        for index in call.range {
            let source = try reader.read(UInt64.self, at: MapGPAPagesInput.size + 8 * index)
            let (page, overflow) = input.gpaPage.addingReportingOverflow(UInt64(index) * stride)
            // 2^52 bytes are the most that a guest physical address can name, and 2^64 a process's.
            guard !overflow, page < Self.pageLimit, source < Self.pageLimit else {
                throw HypercallStatus.invalidParameter
            }
            if let last = runs.last, last.pages.upperBound == page,
                last.source + (last.pages.upperBound - last.pages.lowerBound) == source
            {
                runs[runs.count - 1] = (last.pages.lowerBound..<(page + stride), last.source, last.reps + 1)
            } else {
                runs.append((page..<(page + stride), source, 1))
            }
        }
        var done = 0
        for run in runs {
            do throws(HypervisorError) {
                try memory.map(
                    MemoryExtent(
                        gpa: run.pages.lowerBound * UInt64(pageSize), host: UInt(run.source) * UInt(pageSize),
                        count: UInt64(run.pages.count) * UInt64(pageSize), access: access))
            } catch {
                report("\(error)")
                return call.result(.operationFailed, completed: done)
            }
            done += run.reps
        }
        return call.result(.success, completed: done)
    }

    func unmap(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        try requireActive()
        let input = try UnmapGPAPagesInput(decoding: ByteReader(call.input))
        guard UnmapGPAFlags.known.isSuperset(of: input.flags) else { throw HypercallStatus.invalidParameter }
        let stride: UInt64 = input.flags.contains(.largePage) ? 512 : 1
        let (first, overflow) = input.gpaPage.addingReportingOverflow(UInt64(call.range.lowerBound) * stride)
        let count = UInt64(call.range.count) * stride
        guard !overflow, first < Self.pageLimit, count <= Self.pageLimit - first else {
            throw HypercallStatus.invalidParameter
        }
        do throws(HypervisorError) {
            try memory.unmap(gpa: first * UInt64(pageSize), count: count * UInt64(pageSize))
        } catch {
            report("\(error)")
            throw HypercallStatus.operationFailed
        }
        return call.result(.success, completed: call.range.count)
    }

    /// Pages below 2^52 bytes.
    private static var pageLimit: UInt64 { 1 << 40 }

    /// What to do with the marks of pages while they are read.
    package enum AccessBitmapOperation: Sendable {
        case read, clear, set
    }

    /// Which pages the guest touched or wrote, one bit a page, the first in bit 0 of the first byte. The property
    /// `gpaPageAccessTracking` has to be on.
    ///
    /// - Parameters:
    ///   - isDirty: whether written pages are asked for; else those touched in any way.
    ///   - pageCount: at most 2^24 (64 GiB) in one call.
    package func accessBitmap(
        gpa: UInt64, pageCount: Int, isDirty: Bool, _ operation: AccessBitmapOperation
    ) throws(HypervisorError) -> [UInt8] {
        guard gpa.isMultiple(of: UInt64(pageSize)), (1...(1 << 24)).contains(pageCount) else {
            throw HypervisorError(
                "a bitmap of \(pageCount) pages at 0x\(hex(gpa)): the address must be a multiple of 4096, "
                    + "and 1 to 16777216 pages are allowed")
        }
        var bitmap = [UInt8](repeating: 0, count: (pageCount + 7) / 8)
        let failure = bitmap.withUnsafeMutableBytes { bytes -> Errno? in
            var request = mshv_gpap_access_bitmap()
            request.access_type = UInt8(isDirty ? MSHV_GPAP_ACCESS_TYPE_DIRTY : MSHV_GPAP_ACCESS_TYPE_ACCESSED)
            request.access_op =
                switch operation {
                case .read: UInt8(MSHV_GPAP_ACCESS_OP_NOOP)
                case .clear: UInt8(MSHV_GPAP_ACCESS_OP_CLEAR)
                case .set: UInt8(MSHV_GPAP_ACCESS_OP_SET)
                }
            request.page_count = UInt64(pageCount)
            request.gpap_base = gpa / UInt64(pageSize)
            request.bitmap_ptr = UInt64(UInt(bitPattern: bytes.baseAddress))
            do throws(Errno) {
                try descriptor.call(HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP, &request)
                return nil
            } catch {
                return error
            }
        }
        if let failure {
            throw HypervisorError("partition \(id): the driver gives no bitmap of touched pages: \(failure)")
        }
        return bitmap
    }
}
