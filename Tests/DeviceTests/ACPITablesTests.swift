import Glibc
import Testing

@testable import VirtualDevices

@Suite struct ACPITablesTests {
    private func little(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { value, byte in value << 8 | UInt64(byte) }
    }

    private func table(_ signature: String, vpCount: Int, maximum: Int? = nil) throws -> [UInt8] {
        let tables = ACPITables.build(.init(vpCount: vpCount, maximumVPCount: maximum, memoryEnd: 1 << 30))
        return try #require(tables.first { table in table.bytes.starts(with: signature.utf8) }).bytes
    }

    @Test(arguments: [(1, nil), (2, nil), (64, nil), (254, nil), (1, 254)])
    func checksumsLengthsAndPlaces(vpCount: Int, maximum: Int?) throws {
        let tables = ACPITables.build(.init(vpCount: vpCount, maximumVPCount: maximum, memoryEnd: 1 << 30))
        #expect(
            tables.map { String(decoding: $0.bytes.prefix(4), as: UTF8.self) } == [
                "RSD ", "DSDT", "FACP", "APIC", "MCFG", "XSDT",
            ])
        var end = Platform.acpiTablesStart
        for (gpa, bytes) in tables {
            #expect(gpa >= end && gpa % 16 == 0)
            end = gpa + UInt64(bytes.count)
            #expect(bytes.reduce(0, &+) == 0)
        }
        #expect(end <= Platform.acpiTablesEnd)
        for table in tables.dropFirst() {
            #expect(little(table.bytes, 4, 4) == UInt64(table.bytes.count))
        }
    }

    @Test func pointersLeadToTheTables() throws {
        let tables = ACPITables.build(.init(vpCount: 2, memoryEnd: 1 << 30))
        func at(_ gpa: UInt64) throws -> [UInt8] { try #require(tables.first { $0.gpa == gpa }).bytes }
        let rsdp = try at(0xE0000)
        #expect(rsdp.count == 36)
        #expect(rsdp.starts(with: "RSD PTR ".utf8))
        #expect(rsdp.prefix(20).reduce(0, &+) == 0)
        #expect(rsdp[15] == 2)
        #expect(little(rsdp, 20, 4) == 36)
        let xsdt = try at(little(rsdp, 24, 8))
        #expect(xsdt.count == 36 + 24)
        let fadt = try at(little(xsdt, 36, 8))
        #expect(fadt.starts(with: "FACP".utf8))
        #expect(try at(little(xsdt, 44, 8)).starts(with: "APIC".utf8))
        let mcfg = try at(little(xsdt, 52, 8))
        #expect(mcfg.starts(with: "MCFG".utf8) && mcfg.count == 60)
        #expect(little(mcfg, 44, 8) == Platform.ecamBase && mcfg[52..<60].allSatisfy { $0 == 0 })
        #expect(try at(little(fadt, 140, 8)).starts(with: "DSDT".utf8))
        #expect(little(fadt, 40, 4) == little(fadt, 140, 8))
    }

    @Test func fixedDescriptionIsHardwareReduced() throws {
        let fadt = try table("FACP", vpCount: 1)
        #expect(fadt.count == 276)
        #expect(fadt[8] == 6)
        #expect(little(fadt, 112, 4) == 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10 | 1 << 20)
        #expect(little(fadt, 109, 2) == 0x0004)
        #expect(fadt[108] == 0x32)
        #expect(fadt[128] == 1)
        for (offset, port) in [(116, 0x602), (244, 0x600), (256, 0x601)] {
            #expect(Array(fadt[offset..<offset + 4]) == [1, 8, 0, 1])
            #expect(little(fadt, offset + 4, 8) == UInt64(port))
        }
        #expect(fadt[148..<244].allSatisfy { $0 == 0 }, "no fixed hardware")
    }

    @Test(arguments: [(1, 1), (2, 2), (254, 254), (0, 1), (-5, 1), (255, 254), (Int.max, 254)])
    func interruptControllers(vpCount: Int, processors: Int) throws {
        let madt = try table("APIC", vpCount: vpCount)
        #expect(little(madt, 36, 4) == 0xFEE0_0000)
        #expect(little(madt, 40, 4) == 0, "no 8259")
        var offset = 44
        var identifiers: [UInt8] = []
        var others: [[UInt8]] = []
        while offset < madt.count {
            let entry = Array(madt[offset..<offset + Int(madt[offset + 1])])
            offset += entry.count
            if entry[0] == 0 {
                #expect(entry[2] == entry[3])
                #expect(little(entry, 4, 4) == 1)
                identifiers.append(entry[3])
            } else {
                others.append(entry)
            }
        }
        #expect(offset == madt.count)
        #expect(identifiers == (0..<processors).map { UInt8($0) })
        #expect(others == [[1, 12, 0, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0], [4, 6, 0xFF, 0, 0, 1]])
    }

    /// Processors that may come are listed, and marked as not there yet.
    @Test func processorsThatMayCome() throws {
        let madt = try table("APIC", vpCount: 2, maximum: 4)
        let entries = (0..<4).map { Array(madt[44 + 8 * $0..<52 + 8 * $0]) }
        #expect(
            entries == [
                [0, 8, 0, 0, 1, 0, 0, 0], [0, 8, 1, 1, 1, 0, 0, 0], [0, 8, 2, 2, 2, 0, 0, 0], [0, 8, 3, 3, 2, 0, 0, 0],
            ])
    }

    @Test(
        .enabled(if: access("/usr/bin/iasl", X_OK) == 0, "acpica-tools is not installed"),
        arguments: [(1, nil), (2, nil), (254, nil), (2, 254)])
    func disassemblesAndCompilesAgain(vpCount: Int, maximum: Int?) throws {
        var template = Array("/tmp/hvroot-acpi-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { _ = run(["/bin/rm", "-r", directory], output: "/dev/null") }
        for signature in ["DSDT", "FACP", "APIC", "XSDT"] {
            let stem = "\(directory)/\(signature)"
            try writeFile(table(signature, vpCount: vpCount, maximum: maximum), to: "\(stem).aml")
            #expect(run(["/usr/bin/iasl", "-d", "\(stem).aml"], output: "\(stem).log") == 0)
            #expect(run(["/usr/bin/iasl", "-p", "\(stem)-again", "\(stem).dsl"], output: "\(stem).log") == 0)
            let log = try readFile("\(stem).log")
            #expect(signature != "DSDT" || log.contains(" 0 Errors, 0 Warnings"), "\(log)")
            if signature == "DSDT" {
                let text = try readFile("\(stem).dsl")
                for wanted in [
                    "Name (_HID, \"ACPI0013\"", "Notify (\\_SB.PWRB, 0x80)", "EisaId (\"PNP0501\")", "Name (\\_S5",
                ] {
                    #expect(text.contains(wanted), "\(wanted)")
                }
                if maximum != nil {
                    for wanted in [
                        "Method (_STA", "Notify (C001, One)", "Notify (C0FD, 0x03)", "\\_SB.PRSC ()",
                        "PRP7 & 0x20000000",
                    ] {
                        #expect(text.contains(wanted), "\(wanted)")
                    }
                }
            }
        }
    }

    /// The exit status; -1 where the program did not end by itself.
    private func run(_ arguments: [String], output: String) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var vector = arguments.map { strdup($0) }
        defer { for argument in vector { free(argument) } }
        vector.append(nil)
        var process: pid_t = 0
        guard posix_spawn(&process, arguments[0], &actions, nil, vector, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { guard errno == EINTR else { return -1 } }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }

    private func writeFile(_ bytes: [UInt8], to path: String) throws {
        let file = try #require(fopen(path, "wb"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    private func readFile(_ path: String) throws -> String {
        let file = try #require(fopen(path, "rb"))
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
