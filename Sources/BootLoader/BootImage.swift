import CDemoGuest
import GuestMemory
import HypercallABI
import LinuxSystem

/// A boot source that has been looked at and can be loaded.
package struct BootImage: Sendable {
    private let source: BootSource
    private let memorySize: UInt64
    private let plan: Plan
    private let initrd: Range<UInt64>?

    private enum Plan: Equatable, Sendable {
        case bzImage(BzImage)
        case linux64(ElfImage)
        case pvh(ElfImage, entry: UInt64)
        case flat(address: UInt64, size: UInt64)
        case demo
    }

    package static func inspect(_ source: BootSource, memorySize: UInt64) throws(BootError) -> BootImage {
        let plan = try makePlan(source)
        let lowEnd = min(memorySize, GuestMemory.gapStart)
        var kernelEnd: UInt64 = 0x20_0000
        var initrdLimit = lowEnd
        var commandLineMaximum = 2047
        switch plan {
        case .bzImage(let image):
            kernelEnd = image.loadAddress + image.initSize
            initrdLimit = min(lowEnd, image.initrdMaximum + 1)
            commandLineMaximum = image.commandLineMaximum
        case .linux64(let image), .pvh(let image, _): kernelEnd = image.end
        case .flat(let address, let size): kernelEnd = address + size
        case .demo: break
        }
        guard kernelEnd <= lowEnd else { throw BootError("kernel", "needs memory up to \(kernelEnd), the VM has \(lowEnd)") }
        guard source.commandLine.utf8.count <= commandLineMaximum, !source.commandLine.utf8.contains(0) else {
            throw BootError("commandLine", "has \(source.commandLine.utf8.count) bytes; \(commandLineMaximum) at most")
        }
        var initrd: Range<UInt64>?
        if let path = source.initrd {
            let file = try ImageFile.open(path, field: "initrd")
            guard initrdLimit >= file.size, (initrdLimit - file.size) & ~4095 >= kernelEnd else {
                throw BootError("initrd", "\(path) has \(file.size) bytes and does not fit")
            }
            let start = (initrdLimit - file.size) & ~4095
            initrd = start..<(start + file.size)
        }
        return BootImage(source: source, memorySize: memorySize, plan: plan, initrd: initrd)
    }

    private static func makePlan(_ source: BootSource) throws(BootError) -> Plan {
        if source.kernel == BootSource.demoKernel { return .demo }
        let file = try ImageFile.open(source.kernel, field: "kernel")
        if source.format == .flat { return .flat(address: source.loadAddress ?? 0, size: file.size) }
        let kind = ImageKind(head: try file.bytes("a kernel", at: 0, Int(min(file.size, 1024))).bytes)
        switch kind {
        case .bzImage: return .bzImage(try BzImage(file))
        case .elf:
            let image = try ElfImage(file)
            if let entry = image.pvhEntry { return .pvh(image, entry: entry) }
            return .linux64(image)
        case .other(let why): throw BootError("kernel", "\(source.kernel) \(why)")
        }
    }

    package func load(into memory: GuestMemory, acpiRSDP: UInt64) throws(BootError) -> [RegisterAssociation] {
        do { return try loadAll(memory, acpiRSDP) } catch let e as BootError { throw e } catch { throw BootError("kernel", "\(error)") }
    }

    private func loadAll(_ memory: GuestMemory, _ rsdp: UInt64) throws -> [RegisterAssociation] {
        if let initrd, let path = source.initrd {
            let file = try ImageFile.open(path, field: "initrd")
            try memory.readFile(file.descriptor, offset: 0, count: initrd.count, to: initrd.lowerBound)
        }
        try memory.write(0x20000, Array(source.commandLine.utf8) + [0])
        var e820: [(UInt64, UInt64, UInt32)] = [(0, 0x9FC00, 1), (0x9FC00, 0x60400, 2), (0x10_0000, memory.lowEnd - 0x10_0000, 1)]
        for r in memory.regions.dropFirst() { e820.append((r.gpa, r.count, 1)) }
        // start info
        var at: UInt64 = 0x6000
        func put<T: FixedWidthInteger & BitwiseCopyable>(_ v: T) throws { try memory.store(v, at: at); at += UInt64(MemoryLayout<T>.size) }
        try put(UInt32(0x336ec578)); try put(UInt32(1)); try put(UInt32(0)); try put(UInt32(initrd == nil ? 0 : 1))
        try put(UInt64(0x6100)); try put(UInt64(0x20000)); try put(rsdp); try put(UInt64(0x6200)); try put(UInt32(e820.count)); try put(UInt32(0))
        if let initrd { at = 0x6100; try put(initrd.lowerBound); try put(UInt64(initrd.count)); try put(UInt64(0)); try put(UInt64(0)) }
        at = 0x6200
        for e in e820 { try put(e.0); try put(e.1); try put(e.2); try put(UInt32(0)) }
        // gdt
        for (i, g) in [UInt64(0), 0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF, 0x008F_8B00_0000_0067, 0].enumerated() { try memory.store(g, at: 0x500 + UInt64(i) * 8) }
        // page tables
        try memory.store(UInt64(0xA003), at: 0x9000)
        for i in 0..<4 { try memory.store(UInt64(0xB003 + i * 0x1000), at: 0xA000 + UInt64(i) * 8) }
        for i in 0..<2048 { try memory.store(UInt64(i) << 21 | 0x83, at: 0xB000 + UInt64(i) * 8) }
        func zeroPage(_ zp: [UInt8]) throws {
            try memory.write(0x7000, zp)
            try memory.store(UInt8(0xFF), at: 0x7210); try memory.store(UInt32(0x20000), at: 0x7228)
            try memory.store(rsdp, at: 0x7070)
            if let initrd { try memory.store(UInt32(initrd.lowerBound), at: 0x7218); try memory.store(UInt32(initrd.count), at: 0x721C) }
            try memory.store(UInt8(e820.count), at: 0x71E8)
            for (i, e) in e820.enumerated() { let b = UInt64(0x72D0 + i * 20); try memory.store(e.0, at: b); try memory.store(e.1, at: b + 8); try memory.store(e.2, at: b + 16) }
        }
        switch plan {
        case .bzImage(let image):
            let file = try ImageFile.open(source.kernel, field: "kernel")
            try zeroPage(try image.load(file, into: memory))
            return long(entry: image.entry) + [RegisterAssociation(.rsi, 0x7000)]
        case .linux64(let image):
            try image.load(try ImageFile.open(source.kernel, field: "kernel"), into: memory)
            var zp = [UInt8](repeating: 0, count: 4096)
            zp[0x1FE] = 0x55; zp[0x1FF] = 0xAA; zp.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8)); zp[0x206] = 0x0f; zp[0x207] = 2
            try zeroPage(zp)
            return long(entry: image.entry) + [RegisterAssociation(.rsi, 0x7000)]
        case .pvh(let image, let entry):
            try image.load(try ImageFile.open(source.kernel, field: "kernel"), into: memory)
            return state(code: 0xC09B, cr0: 0x11, cr3: 0, cr4: 0, efer: 0, rip: entry) + [RegisterAssociation(.rbx, 0x6000)]
        case .flat(let address, let size):
            let file = try ImageFile.open(source.kernel, field: "kernel")
            try memory.readFile(file.descriptor, offset: 0, count: Int(size), to: address)
            return long(entry: address) + [RegisterAssociation(.rbx, 0x6000)]
        case .demo:
            guard let b = hv_demo_guest_bytes() else { throw BootError("kernel", "no demo") }
            try memory.write(UInt64(HV_DEMO_GUEST_LOAD_ADDRESS), Array(UnsafeRawBufferPointer(start: b, count: hv_demo_guest_size())))
            return long(entry: UInt64(HV_DEMO_GUEST_LOAD_ADDRESS)) + [RegisterAssociation(.rbx, 0x6000)]
        }
    }
    private func long(entry: UInt64) -> [RegisterAssociation] { state(code: 0xA09B, cr0: 0x8000_0011, cr3: 0x9000, cr4: 0x20, efer: 0x500, rip: entry) }
    private func state(code: UInt16, cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64, rip: UInt64) -> [RegisterAssociation] {
        let data = RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x18, attributes: 0xC093))
        let c = RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x10, attributes: code))
        return [RegisterAssociation(.efer, efer), .init(.cr3, cr3), .init(.cr4, cr4), .init(.cr0, cr0), .init(.cs, c), .init(.ds, data), .init(.es, data), .init(.ss, data), .init(.fs, data), .init(.gs, data),
            .init(.tr, RegisterValue(SegmentRegister(base: 0, limit: 0x67, selector: 0x20, attributes: 0x8B))),
            .init(.gdtr, RegisterValue(TableRegister(base: 0x500, limit: 47))), .init(.rip, rip), .init(.rflags, 2)]
    }
}
