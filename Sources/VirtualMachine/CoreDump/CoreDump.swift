import Glibc
import GuestMemory
import HypercallABI
import Hypervisor
import LinuxSystem

/// Writes a guest's memory and its processors' registers as an ELF core file, for `gdb` and `crash`.
///
/// The segments are: all memory by its physical addresses, and the kernel's half of the first processor's address space.
/// Memory that is zero is left out of the file, as a hole.
struct CoreDump {
    /// Bytes looked at and written at a time.
    private static let piece = 1 << 20
    private static let hole = 1 << 16

    private let memory: GuestMemory
    private let regions: [GuestMemory.Region]
    private var notes: [ELFCore.Note] = []
    private var mappings: [KernelMappings.Mapping] = []

    /// Takes the registers; no processor may run. A processor whose registers can't be read is left out.
    init(memory: GuestMemory, partition: Partition, vpCount: Int) {
        self.memory = memory
        regions = memory.populated
        for vp in 0..<UInt32(clamping: vpCount) {
            guard let values = try? partition.registers(ProcessorNotes.registers, vp: VPIndex(vp)) else { continue }
            let named = Dictionary(zip(ProcessorNotes.registers, values)) { first, _ in first }
            notes += ProcessorNotes.notes(vp: vp, named)
            if mappings.isEmpty { mappings = Self.mappings(memory, named) }
        }
        if let note = KernelNote.find(in: memory) { notes.append(note) }
    }

    private static func mappings(
        _ memory: GuestMemory, _ registers: [RegisterName: RegisterValue]
    ) -> [KernelMappings.Mapping] {
        let (paging, physicalAddressExtension, fiveLevels): (UInt64, UInt64, UInt64) = (1 << 31, 1 << 5, 1 << 12)
        guard let cr0 = registers[.cr0]?.low, let cr3 = registers[.cr3]?.low, let cr4 = registers[.cr4]?.low,
            cr0 & paging != 0, cr4 & physicalAddressExtension != 0
        else { return [] }
        return KernelMappings(memory, root: cr3, levels: cr4 & fiveLevels != 0 ? 5 : 4).mappings
    }

    /// Writes the file `name` in `directory`, in place of one that is there; all of it or nothing.
    ///
    /// - Throws: `Errno` of the file system: `ENOSPC` where it is full.
    func write(directory: String, name: String) throws(Errno) {
        let partial = "\(directory)/\(name).partial"
        do throws(Errno) {
            try writeContent(partial)
            guard rename(partial, "\(directory)/\(name)") == 0 else { throw Errno.last }
        } catch {
            unlink(partial)
            throw error
        }
    }

    private func writeContent(_ path: String) throws(Errno) {
        let file = try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        let segments = self.segments
        try file.writeAll(ELFCore.header(segments: segments, notes: notes))
        for (region, segment) in zip(regions, segments) { try write(region, to: file, at: segment.offset) }
        // A hole at the end counts as well.
        if let last = segments.prefix(regions.count).last {
            try file.setSize(last.offset + last.count)
        }
    }

    /// Those of the memory's regions come first, in their order.
    private var segments: [ELFCore.Segment] {
        let kernel = mappings.prefix(ELFCore.maximumSegments - regions.count)
        var offset = ELFCore.contentOffset(segments: regions.count + kernel.count, notes: notes)
        var segments: [ELFCore.Segment] = []
        for region in regions {
            segments.append(
                ELFCore.Segment(
                    offset: offset, virtualAddress: region.gpa, physicalAddress: region.gpa,
                    count: UInt64(region.count)))
            offset += UInt64(region.count)
        }
        for mapping in kernel {
            let owner = segments.prefix(regions.count).last { $0.physicalAddress <= mapping.physicalAddress }
            guard let owner else { continue }
            segments.append(
                ELFCore.Segment(
                    offset: owner.offset + (mapping.physicalAddress - owner.physicalAddress),
                    virtualAddress: mapping.virtualAddress, physicalAddress: mapping.physicalAddress,
                    count: mapping.count))
        }
        return segments
    }

    private func write(
        _ region: GuestMemory.Region, to file: borrowing FileDescriptor, at offset: UInt64
    ) throws(Errno) {
        var written = 0
        while written < region.count {
            // Runs that are not zero are written at once.
            var end = written
            while end < region.count, end - written < Self.piece, !Self.isZero(region.hostBase + end) {
                end += Self.hole
            }
            if end > written {
                try file.writeAll(
                    UnsafeRawBufferPointer(start: region.hostBase + written, count: end - written),
                    at: Int64(offset) + Int64(written))
                written = end
            } else {
                written += Self.hole
            }
        }
    }

    private static func isZero(_ bytes: UnsafeMutableRawPointer) -> Bool {
        bytes.loadUnaligned(as: UInt64.self) == 0 && memcmp(bytes, bytes + 8, hole - 8) == 0
    }
}
