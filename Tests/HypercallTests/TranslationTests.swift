import HypercallABI
import HypercallCore
import Hypervisor
import Testing

/// HvCallTranslateVirtualAddress against page tables that are written by hand.
@Suite struct TranslationTests {
    private static let present: UInt64 = 1
    private static let write: UInt64 = 2
    private static let user: UInt64 = 4
    private static let large: UInt64 = 0x80
    private static let noExecute: UInt64 = 1 << 63
    private static let all: UInt64 = 7

    private enum Mode { case long4, long5, pae, legacy, off }

    private final class Machine {
        let bench: TouchableBench
        var cr4: UInt64 = 0
        var cr0: UInt64 = 0
        var efer: UInt64 = 0
        var rflags: UInt64 = 0
        var cpl: UInt16 = 0

        init(_ mode: Mode, table: UInt64 = 0x1000) throws {
            bench = try TouchableBench()
            cr0 = mode == .off ? 1 : 0x8001_0001  // PG, WP, PE
            switch mode {
            case .long4, .long5:
                efer = 0xD00  // NXE, LMA, LME
                cr4 = mode == .long5 ? 0x1020 : 0x20
            case .pae: cr4 = 0x20
            case .legacy: cr4 = 0x10
            case .off: break
            }
            try bench.client.setRegisters([RegisterAssociation(.cr3, table)], of: 0, in: bench.id)
        }

        func translate(
            _ gva: UInt64, _ flags: TranslateGVAFlags = []
        ) throws -> TranslateGVAOutput {
            let ss = SegmentRegister(base: 0, limit: .max, selector: 0x10 | cpl, attributes: 0xC093 | cpl << 5)
            try bench.client.setRegisters(
                [
                    RegisterAssociation(.cr0, cr0), RegisterAssociation(.cr4, cr4), RegisterAssociation(.efer, efer),
                    RegisterAssociation(.rflags, rflags), RegisterAssociation(.ss, RegisterValue(ss)),
                    RegisterAssociation(.pat, 0x0007_0406_0007_0406),
                ], of: 0, in: bench.id)
            let input = TranslateGVAInput(partition: bench.id, index: 0, flags: flags, gvaPage: gva >> 12)
            let output = try bench.client.translateGVA(input)
            let extended = try bench.client.translateGVAExtended(input)
            #expect(output == extended)
            return output
        }

        func result(_ gva: UInt64, _ flags: TranslateGVAFlags = []) throws -> TranslateGVAResult {
            try translate(gva, flags).result
        }

        /// Four levels from 0x1000 on for an address, each with `flags`, and the leaf.
        func map4(_ gva: UInt64, to leaf: UInt64, flags: UInt64 = TranslationTests.all) {
            for (level, table) in [(4, 0x1000), (3, 0x2000), (2, 0x3000)] as [(UInt64, UInt64)] {
                bench.poke(table + (gva >> (9 * level + 3) & 0x1FF) * 8, (table + 0x1000) | flags)
            }
            bench.poke(0x4000 + (gva >> 12 & 0x1FF) * 8, leaf)
        }
    }

    private func success(_ page: UInt64, cache: UInt8 = 6) -> TranslateGVAOutput {
        TranslateGVAOutput(result: .success, cacheType: cache, gpaPage: page)
    }

    @Test func withoutPaging() throws {
        let machine = try Machine(.off)
        #expect(try machine.translate(0x1234_5678_9000, [.validateWrite, .userAccess]) == success(0x56789))
    }

    @Test func fourLevels() throws {
        let machine = try Machine(.long4)
        let gva: UInt64 = 0xFFFF_8123_4567_8000
        machine.map4(gva, to: 0xABC_DE00_0000 | Self.all)
        #expect(try machine.translate(gva) == success(0xABC_DE00_0000 >> 12))
        #expect(try machine.result(gva + 4096) == .pageNotPresent)
        #expect(try machine.result(gva & 0xFFFF_FFFF_FFFF) == .invalidPageTableFlags, "not canonical")
        // 2 MiB and 1 GiB keep the address's lower bits.
        machine.bench.poke(0x3000 + (gva >> 21 & 0x1FF) * 8, 0x8_0020_0000 | Self.all | Self.large)
        #expect(try machine.translate(gva) == success((0x8_0020_0000 | gva & 0x1F_FFFF) >> 12))
        machine.bench.poke(0x3000 + (gva >> 21 & 0x1FF) * 8, 0x8_0020_2000 | Self.all | Self.large)
        #expect(try machine.result(gva) == .invalidPageTableFlags, "reserved bits of a large page")
        machine.bench.poke(0x2000 + (gva >> 30 & 0x1FF) * 8, 0x40_0000_0000 | Self.all | Self.large)
        #expect(try machine.translate(gva) == success((0x40_0000_0000 | gva & 0x3FFF_FFFF) >> 12))
        machine.bench.poke(0x1000 + (gva >> 39 & 0x1FF) * 8, 0x2000 | Self.all | Self.large)
        #expect(try machine.result(gva) == .invalidPageTableFlags)
    }

    @Test func fiveLevels() throws {
        let machine = try Machine(.long5, table: 0x9000)
        let gva: UInt64 = 0x00AB_8123_4567_8000
        machine.map4(gva, to: 0x77_7000 | Self.all)
        machine.bench.poke(0x9000 + (gva >> 48 & 0x1FF) * 8, 0x1000 | Self.all)
        #expect(try machine.translate(gva) == success(0x777))
        #expect(try machine.result(gva | 1 << 57) == .invalidPageTableFlags)
    }

    @Test func pae() throws {
        let machine = try Machine(.pae, table: 0x1020)
        let gva: UInt64 = 0xC123_4000
        machine.bench.poke(0x1020 + 3 * 8, 0x2000 | Self.present)
        machine.bench.poke(0x2000 + (gva >> 21 & 0x1FF) * 8, 0x3000 | Self.all)
        machine.bench.poke(0x3000 + (gva >> 12 & 0x1FF) * 8, 0xF_1234_5000 | Self.all)
        #expect(try machine.translate(gva | 0xFFFF_FFFF_0000_0000, [.validateWrite, .userAccess]) == success(0xF12345))
        machine.bench.poke(0x3000 + (gva >> 12 & 0x1FF) * 8, 0xF_1234_5000 | Self.all | Self.noExecute)
        #expect(try machine.result(gva) == .invalidPageTableFlags, "without NXE")
        machine.efer = 0x800
        #expect(try machine.result(gva) == .success)
        #expect(try machine.result(gva, [.validateExecute]) == .privilegeViolation)
        machine.bench.poke(0x3000 + (gva >> 12 & 0x1FF) * 8, 1 << 52 | Self.all)
        #expect(try machine.result(gva) == .invalidPageTableFlags)
        machine.bench.poke(0x2000 + (gva >> 21 & 0x1FF) * 8, 0x60_0000 | Self.all | Self.large)
        #expect(try machine.translate(gva) == success((0x60_0000 | gva & 0x1F_FFFF) >> 12))
        machine.bench.poke(0x1020 + 3 * 8, 0x2000 | Self.present | Self.write)
        #expect(try machine.result(gva) == .invalidPageTableFlags, "directory pointers have no rights")
    }

    @Test func thirtyTwoBits() throws {
        let machine = try Machine(.legacy)
        let gva: UInt64 = 0xC123_4000
        machine.bench.poke(0x1000 + (gva >> 22) * 4, UInt32(0x2000 | Self.all))
        machine.bench.poke(0x2000 + (gva >> 12 & 0x3FF) * 4, UInt32(0xFEDC_B000 | Self.all))
        #expect(try machine.translate(gva, [.validateExecute, .userAccess]) == success(0xFEDCB))
        // 4 MiB, with the address's bits 32 to 39 in bits 13 to 20.
        machine.bench.poke(0x1000 + (gva >> 22) * 4, UInt32(0x0040_0000 | 0xA5 << 13 | Self.all | Self.large))
        #expect(try machine.translate(gva) == success((0xA5_0040_0000 | gva & 0x3F_FFFF) >> 12))
        machine.bench.poke(0x1000 + (gva >> 22) * 4, UInt32(1 << 21 | Self.all | Self.large))
        #expect(try machine.result(gva) == .invalidPageTableFlags)
        // Without PSE the bit means nothing.
        machine.cr4 = 0
        machine.bench.poke(0x1000 + (gva >> 22) * 4, UInt32(0x2000 | Self.all | Self.large))
        #expect(try machine.translate(gva) == success(0xFEDCB))
    }

    @Test func userAndSupervisor() throws {
        let machine = try Machine(.long4)
        let gva: UInt64 = 0x4000_0000
        machine.map4(gva, to: 0x5000 | Self.present | Self.user)
        let read: TranslateGVAFlags = [.validateRead]
        #expect(try machine.result(gva, [.validateRead, .userAccess]) == .success)
        #expect(try machine.result(gva, [.validateWrite, .userAccess]) == .privilegeViolation)
        #expect(try machine.result(gva, [.validateWrite, .supervisorAccess]) == .privilegeViolation, "WP")
        #expect(try machine.result(gva, [.validateWrite, .privilegeExempt]) == .privilegeViolation)
        #expect(try machine.result(gva) == .success, "nothing is asked for")
        machine.cr0 = 0x8000_0001
        #expect(try machine.result(gva, [.validateWrite, .supervisorAccess]) == .success)
        #expect(try machine.result(gva, [.validateWrite, .userAccess]) == .privilegeViolation)
        #expect(try machine.result(gva, [.validateWrite, .privilegeExempt]) == .success)
        // One level without it is enough.
        machine.map4(gva, to: 0x5000 | Self.all, flags: Self.present | Self.write)
        #expect(try machine.result(gva, [.validateRead, .userAccess]) == .privilegeViolation)
        #expect(try machine.result(gva, [.validateRead, .userAccess, .supervisorAccess]) == .privilegeViolation)
        #expect(try machine.result(gva, [.validateRead, .userAccess, .privilegeExempt]) == .success)
        #expect(try machine.result(gva, read) == .success)
        machine.cpl = 3
        #expect(try machine.result(gva, read) == .privilegeViolation, "the processor's own level")
        #expect(try machine.result(gva, [.validateRead, .supervisorAccess]) == .success)
    }

    @Test func executionPrevention() throws {
        let machine = try Machine(.long4)
        let gva: UInt64 = 0x4000_0000
        machine.map4(gva, to: 0x5000 | Self.all)
        let execute: TranslateGVAFlags = [.validateExecute, .supervisorAccess]
        #expect(try machine.result(gva, execute) == .success)
        machine.cr4 |= 1 << 20
        #expect(try machine.result(gva, execute) == .privilegeViolation, "SMEP")
        #expect(try machine.result(gva, [.validateExecute, .userAccess]) == .success)
        #expect(try machine.result(gva, [.validateExecute, .privilegeExempt]) == .success)
        machine.map4(gva, to: 0x5000 | Self.all | Self.noExecute)
        #expect(try machine.result(gva, [.validateExecute, .privilegeExempt]) == .privilegeViolation)
        #expect(try machine.result(gva, [.validateRead, .userAccess]) == .success)
        machine.efer = 0x500
        #expect(try machine.result(gva) == .invalidPageTableFlags)
    }

    @Test func accessPrevention() throws {
        let machine = try Machine(.long4)
        let gva: UInt64 = 0x4000_0000
        machine.map4(gva, to: 0x5000 | Self.all)
        machine.cr4 |= 1 << 21
        let read: TranslateGVAFlags = [.validateRead, .supervisorAccess]
        #expect(try machine.result(gva, read) == .privilegeViolation)
        #expect(try machine.result(gva, read.union(.overrideSMAP)) == .success)
        #expect(try machine.result(gva, [.validateRead, .privilegeExempt]) == .success)
        #expect(try machine.result(gva, [.validateExecute, .supervisorAccess]) == .success)
        machine.rflags = 1 << 18
        #expect(try machine.result(gva, read) == .success)
        #expect(try machine.result(gva, read.union(.enforceSMAP)) == .privilegeViolation)
    }

    @Test func accessedAndDirty() throws {
        let machine = try Machine(.long4)
        let bench = machine.bench
        let gva: UInt64 = 0x4000_0000
        machine.map4(gva, to: 0x5000 | Self.all)
        func entries() -> [UInt64] {
            [0x1000, 0x2008, 0x3000, 0x4000].map { bench.peek($0, as: UInt64.self) & 0x60 }
        }
        #expect(try machine.result(gva, [.validateWrite]) == .success)
        #expect(entries() == [0, 0, 0, 0])
        machine.cpl = 3
        machine.map4(gva, to: 0x5000 | Self.present)
        #expect(try machine.result(gva, [.validateRead, .setPageTableBits]) == .privilegeViolation)
        #expect(entries() == [0, 0, 0, 0], "a refused access touches nothing")
        machine.map4(gva, to: 0x5000 | Self.all)
        #expect(try machine.result(gva, [.validateRead, .setPageTableBits]) == .success)
        #expect(entries() == [0x20, 0x20, 0x20, 0x20])
        #expect(try machine.result(gva, [.validateWrite, .setPageTableBits]) == .success)
        #expect(entries() == [0x20, 0x20, 0x20, 0x60])
        // Tables in memory that the guest may not write.
        machine.map4(gva, to: 0x5000 | Self.all)
        try bench.map(at: 2, count: 1, [.readable])
        #expect(try machine.result(gva, [.setPageTableBits]) == .gpaNoWriteAccess)
        try bench.map(at: 2, count: 1, [])
        #expect(try machine.result(gva) == .gpaNoReadAccess)
        try bench.client.unmapGPAPages(bench.id, gpaPage: 2, flags: [], count: 1)
        #expect(try machine.result(gva) == .gpaUnmapped)
        try bench.client.setRegisters([RegisterAssociation(.cr3, 0xF_FFFF_FFFF_F000)], of: 0, in: bench.id)
        #expect(try machine.result(0xFFFF_FFFF_FFFF_F000) == .gpaUnmapped)
    }

    @Test func cacheTypes() throws {
        let machine = try Machine(.long4)
        let gva: UInt64 = 0x4000_0000
        // Index of the page attribute table: PAT, PCD, PWT.
        for (flags, type) in [(0, 6), (8, 4), (0x10, 0), (0x18, 0), (0x80, 6), (0x88, 4)] as [(UInt64, UInt8)] {
            machine.map4(gva, to: 0x5000 | Self.all | flags)
            #expect(try machine.translate(gva) == success(5, cache: type), "\(flags)")
        }
        machine.bench.poke(0x3000, 0x20_0000 | 1 << 12 | 8 | Self.all | Self.large)
        #expect(try machine.translate(gva) == success(0x200, cache: 4))
        machine.cr0 |= 1 << 30
        #expect(try machine.translate(gva).cacheType == 0)
    }

    @Test func statuses() throws {
        let machine = try Machine(.off)
        func status(_ change: (inout TranslateGVAInput) -> Void) -> HypercallStatus {
            var input = TranslateGVAInput(partition: machine.bench.id, index: 0, flags: [], gvaPage: 0)
            change(&input)
            return HypercallTests.status { _ = try machine.bench.client.translateGVA(input) }
        }
        #expect(status { _ in } == .success)
        #expect(status { $0.flags = TranslateGVAFlags(rawValue: 0x800) } == .invalidParameter)
        #expect(status { $0.flags = .shadowStack } == .featureUnavailable)
        #expect(status { $0.flags = .tlbFlushInhibit } == .success)
        #expect(status { $0.gvaPage = 1 << 52 } == .invalidParameter)
        #expect(status { $0.vtl = InputVTL(target: 1, usesTarget: true) } == .invalidParameter)
        #expect(status { $0.vtl = InputVTL(target: 0, usesTarget: true) } == .success)
        #expect(status { $0.index = 7 } == .invalidVpIndex)
        #expect(status { $0.partition = .own } == .invalidPartitionId)
    }
}
