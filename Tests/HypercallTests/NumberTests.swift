import HypercallABI
import HypercallCore
import JSON
import Testing

/// Codes, statuses, names and flags are those of the tables.
@Suite struct NumberTests {
    @Test func callCodes() throws {
        let rows = try Fixture.numbers("hypercalls.csv", column: "code")
        #expect(rows.count > 100)
        let known = Set(CallCode.names.keys.map { UInt64($0.rawValue) })
        #expect(Set(rows.map(\.value)) == known)
        for row in rows where row.name.hasPrefix("HVCALL_") {
            let name = CallCode.names[CallCode(rawValue: UInt16(row.value))] ?? ""
            #expect(letters(name) == "HVCALL" + letters(String(row.name.dropFirst(7))))
        }
        #expect(CallCode(rawValue: 0x7FFF).description == "call 0x7fff")
    }

    @Test func statuses() throws {
        let rows = try Fixture.numbers("status.csv")
        #expect(Set(rows.map(\.value)) == Set(HypercallStatus.names.keys.map { UInt64($0.rawValue) }))
        for row in rows where row.name.hasPrefix("HV_STATUS_") {
            #expect(HypercallStatus(rawValue: UInt16(row.value)).description == row.name)
        }
    }

    @Test func registers() throws {
        let rows = try Fixture.numbers("registers.csv")
        #expect(rows.count > 300)
        for row in rows { #expect(RegisterName.names[RegisterName(rawValue: UInt32(row.value))] != nil, "\(row.name)") }
        #expect(RegisterName.explicitSuspend.rawValue == 0)
    }

    @Test func propertiesAndCreationFlags() throws {
        var flags: UInt64 = 0
        for row in try Fixture.numbers("properties.csv") {
            if row.name.contains("CREATION_FLAG") {
                flags |= row.value
            } else {
                #expect(PartitionProperty(rawValue: UInt32(row.value)).description == row.name)
            }
        }
        #expect(PartitionCreationFlags.known.rawValue == flags)
    }

    @Test func memoryFlags() throws {
        let table = Dictionary(uniqueKeysWithValues: try Fixture.numbers("constants.csv").map { ($0.name, $0.value) })
        let flags: [(String, MapGPAFlags)] = [
            ("READABLE", .readable), ("WRITABLE", .writable), ("KERNEL_EXECUTABLE", .kernelExecutable),
            ("USER_EXECUTABLE", .userExecutable), ("EXECUTABLE", .executable), ("PERMISSIONS_MASK", .permissions),
            ("ADJUSTABLE", .adjustable), ("NO_ACCESS", .noAccess), ("NOT_CACHED", .notCached),
            ("LARGE_PAGE", .largePage), ("PERMISSIONS_NONE", []),
        ]
        for (name, flag) in flags { #expect(table["HV_MAP_GPA_\(name)"] == UInt64(flag.rawValue)) }
        #expect(table["HV_UNMAP_GPA_LARGE_PAGE"] == UInt64(UnmapGPAFlags.largePage.rawValue))
        #expect(table.count == flags.count + 1)
    }

    /// The form of each call agrees with the table: kind, how Linux passes the input, sizes.
    @Test func callForms() throws {
        let rows = try Fixture.rows("hypercalls.csv")
        for code in CallCatalogue.codes {
            let form = try #require(CallCatalogue.definition(of: code)?.form)
            let hex = String(code.rawValue, radix: 16, uppercase: true)
            let text = "0x" + String(repeating: "0", count: 4 - hex.count) + hex
            let row = try #require(rows.first { $0["code"] == text })
            let kind = (form.repetition == nil ? "simple" : "rep") + (form.hasVariableHeader ? "+varhead" : "")
            #expect(row["kind"] == kind, "\(code)")
            #expect(row["passing"]?.hasPrefix("fast") == form.isFast, "\(code)")
            // Of these the structure counts the variable header's first word.
            let isCounted = [.mapDeviceInterrupt, .retargetInterrupt].contains(code)
            let input = CallCatalogue.definition(of: code)?.input == nil ? 0 : Int(row["input_size"] ?? "")
            #expect(input == form.inputSize + (isCounted ? 8 : 0), "\(code)")
            // Of these the table gives an element's size.
            let isList = [.getVpRegisters, .getGpaPagesAccessStates, .getVpCpuidValues].contains(code)
            let output = isList ? form.repetition?.outputSize ?? 0 : form.outputSize
            let expected = Int(row["output_size"] ?? "") ?? 0
            #expect(expected == output, "\(code)")
        }
        let others = (UInt16.min...UInt16.max).lazy.map { CallCode(rawValue: $0) }
        #expect(others.filter { CallCatalogue.definition(of: $0) != nil }.count == CallCatalogue.codes.count)
    }

    @Test func batches() throws {
        guard case .object(let limits)? = try Fixture.json("hypercall_control.json")["batch_limits_linux"] else {
            throw FixtureError("batch_limits_linux")
        }
        let calls: [(String, CallCode)] = [
            ("deposit_memory_max_pages", .depositMemory), ("withdraw_memory_max_pages", .withdrawMemory),
            ("map_gpa_pages_max_reps", .mapGpaPages), ("unmap_gpa_pages_max_reps", .unmapGpaPages),
            ("get_vp_registers_max_reps_by_output", .getVpRegisters),
            ("set_vp_registers_max_reps_by_input", .setVpRegisters),
        ]
        for (name, code) in calls {
            let batch = try #require(CallCatalogue.definition(of: code)?.form.repetition?.batch)
            #expect(limits[name] == .integer(Int64(batch)), "\(name)")
        }
    }

    private func letters(_ name: String) -> String { name.uppercased().filter { $0 != "_" } }
}

@Suite struct ControlWordTests {
    @Test func fieldsLieUnderTheirMasks() throws {
        guard case .object(let masks)? = try Fixture.json("hypercall_control.json")["linux_masks"] else {
            throw FixtureError("linux_masks")
        }
        func mask(_ name: String) throws -> UInt64 {
            guard case .string(let text)? = masks[name] else { throw FixtureError(name) }
            return try #require(UInt64(text.dropFirst(2), radix: 16))
        }
        #expect(ControlWord(CallCode(rawValue: .max)).rawValue == 0xFFFF)
        let none = CallCode(rawValue: 0)
        #expect(ControlWord(none, fast: true).rawValue == (try mask("HV_HYPERCALL_FAST_BIT")))
        #expect(ControlWord(none, variableHeaderSize: 1023).rawValue == (try mask("HV_HYPERCALL_VARHEAD_MASK")))
        #expect(ControlWord(none, repCount: 4095).rawValue == (try mask("HV_HYPERCALL_REP_COMP_MASK")))
        #expect(ControlWord(none, repStart: 4095).rawValue == (try mask("HV_HYPERCALL_REP_START_MASK")))
        #expect(ControlWord(rawValue: try mask("HV_HYPERCALL_NESTED")).isNested)
        // Linux's first mask covers the nested bit too.
        let reserved =
            try mask("HV_HYPERCALL_RSVD0_MASK") & ~mask("HV_HYPERCALL_NESTED") | mask("HV_HYPERCALL_RSVD1_MASK")
            | mask("HV_HYPERCALL_RSVD2_MASK")
        for bit in 0..<64 {
            #expect(ControlWord(rawValue: 1 << bit).hasReservedBits == (reserved & 1 << bit != 0), "bit \(bit)")
        }
        let result = ResultWord(HypercallStatus(rawValue: .max), repsCompleted: 4095)
        #expect(result.rawValue == (try mask("HV_HYPERCALL_RESULT_MASK") | mask("HV_HYPERCALL_REP_COMP_MASK")))
    }

    @Test func goldenWords() {
        #expect(ControlWord(.initializePartition, fast: true).rawValue == 0x0000_0000_0001_0041)
        #expect(ControlWord(.mapGpaPages, repCount: 509, repStart: 3).rawValue == 0x0003_01FD_0000_004B)
        let result = ResultWord(rawValue: 0x0000_0007_0000_000B)
        #expect(result.status == .insufficientMemory)
        #expect(result.repsCompleted == 7)
    }

    @Test func goldenBytes() {
        let map = MapGPAPagesInput(
            partition: PartitionID(rawValue: 0x1122), gpaPage: 0x10_0000, flags: [.readable, .writable, .executable])
        #expect(
            bytes(of: map) == [
                0x22, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0x0F, 0, 0, 0, 0, 0, 0, 0,
            ])
        let register = RegisterAssociation(
            .cs, RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x10, attributes: 0xA09B)))
        #expect(
            bytes(of: register) == [
                0x01, 0x00, 0x06, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF,
                0xFF, 0x10, 0x00, 0x9B, 0xA0,
            ])
        let create = CreatePartitionInput(flags: [.lapicEnabled, .exoPartition])
        #expect(
            bytes(of: create)[0..<24] == [0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 6, 0, 0, 0, 0, 0, 0])
    }

    /// Every structure refuses to be read from, or written to, less than its size.
    @Test func shortBuffers() {
        func check<Value: HypercallStructure>(_ value: Value) {
            for count in 0..<Value.size {
                #expect(throws: HypercallStatus.invalidHypercallInput) {
                    let _: Value = try decode([UInt8](repeating: 0, count: count))
                }
                var room = [UInt8](repeating: 0, count: count)
                #expect(throws: HypercallStatus.invalidHypercallInput) {
                    try room.withUnsafeMutableBytes { buffer in try value.encode(into: ByteWriter(buffer)) }
                }
            }
        }
        let id = PartitionID(rawValue: 1)
        check(CreatePartitionInput.zero)
        check(PartitionIDField(id))
        check(GetPartitionPropertyInput(partition: id, property: .suspend))
        check(SetPartitionPropertyInput(partition: id, property: .suspend, value: 1))
        check(DepositMemoryInput(partition: id))
        check(WithdrawMemoryInput(partition: id))
        check(MapGPAPagesInput(partition: id, gpaPage: 0, flags: []))
        check(UnmapGPAPagesInput(partition: id, gpaPage: 0, flags: []))
        check(CreateVPInput(partition: id, index: 0))
        check(DeleteVPInput(partition: id, index: 0))
        check(VPRegistersInput(partition: id, index: 0))
        check(RegisterAssociation(.explicitSuspend, 0))
    }
}
