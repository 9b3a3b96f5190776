import CMshv
import CMshvLayout
import JSON
import Testing

/// What the C compiler makes of the headers of CMshv is what the tables say: sizes, the place of every field down to its
/// bits, constants, and request numbers.
@Suite struct DeviceLayoutTests {
    /// Fields of the tables that our structures leave out.
    private static let leftOut: [String: Set<String>] = [
        // A register of arm64.
        "hv_register_value": ["pending_synthetic_exception_event"]
    ]
    /// Fields of ours that the table lists for rust-vmm's variant only.
    private static let ownFields: [String: Set<String>] = [
        "hv_register_value": [
            "internal_activity", "pending_exception_event", "fp", "fp_control_status", "xmm_control_status",
        ]
    ]

    @Test func structures() throws {
        let structures = compiledStructures()
        #expect(structures.count > 100)
        for (name, rows) in structures {
            let layout = try Fixture.layout(name)
            #expect(rows.first?.bits == 0..<(8 * layout.size), "size of \(name)")
            let fields = rows.dropFirst()
            for row in fields where Self.ownFields[name]?.contains(row.field) != true {
                let field = try #require(layout.fields.first { $0.name == row.field }, "\(name).\(row.field)")
                let size = try layout.fieldBits(field)
                #expect(row.bits == size, "\(name).\(row.field)")
            }
            let missing = Set(layout.fields.map(\.name)).subtracting(fields.map(\.field))
            #expect(missing == Self.leftOut[name] ?? [], "\(name)")
        }
    }

    @Test func everyStructureOfTheTableIsThereOrHasAReason() throws {
        var reasons: [String: String] = [:]
        for (reason, names) in WithoutCStructure.reasons {
            for name in names {
                #expect(reasons.updateValue(reason, forKey: name) == nil, "\(name) has two reasons")
            }
        }
        let ours = Set(compiledStructures().map(\.name))
        let table = try Fixture.json("structs.json").names
        let codecs = table.filter { $0.hasPrefix("hv_input_") || $0.hasPrefix("hv_output_") }
        #expect(ours.isDisjoint(with: codecs), "calls are laid out by HypercallABI")
        #expect(Set(table).subtracting(codecs) == ours.union(reasons.keys))
        #expect(ours.isDisjoint(with: reasons.keys))
    }

    @Test func constants() throws {
        let table = Dictionary(
            uniqueKeysWithValues: try Fixture.rows("device_constants.csv").compactMap { row -> (String, Row)? in
                guard let name = row["name"], let kind = row["kind"], let value = row["value"] else { return nil }
                return (name, Row(kind: kind, value: try? number(value)))
            })
        let ours = constantRows()
        #expect(ours.count > 70)
        for (name, value) in ours {
            let row = try #require(table[name], "\(name)")
            // The table has these bits as masks, all others as what they are.
            let expected = row.kind == "mshv_pt_flag" ? Int64(1) << value : value
            #expect(row.value == expected, "\(name)")
        }
        let kinds = Set(ours.compactMap { table[$0.name]?.kind }).subtracting(["limit", "synic"])
        let names = Set(ours.map(\.name))
        for (name, row) in table where kinds.contains(row.kind) || name.hasPrefix("MSHV_") {
            #expect(names.contains(name) || Self.constantsLeftOut.contains(name), "\(name)")
        }
    }

    /// Of devices that only rust-vmm names and this project does not have: diagnostics and traces.
    private static let constantsLeftOut: Set<String> = ["MSHV_DIAG_IOCTL", "MSHV_TRACE_IOCTL"]

    @Test func masks() {
        #expect(HV_MSHV_PT_LAPIC == 0x1)
        #expect(HV_MSHV_PT_X2APIC == 0x2)
        #expect(HV_MSHV_PT_GPA_SUPER_PAGES == 0x4)
        #expect(HV_MSHV_PT_CPU_AND_XSAVE_FEATURES == 0x8)
        #expect(HV_MSHV_PT_NESTED_VIRTUALIZATION == 0x10)
        #expect(HV_MSHV_PT_SMT_ENABLED_GUEST == 0x20)
        #expect([HV_MSHV_MEM_WRITABLE, HV_MSHV_MEM_EXECUTABLE, HV_MSHV_MEM_UNMAP] == [1, 2, 4])
        #expect([HV_MSHV_IRQFD_DEASSIGN, HV_MSHV_IRQFD_RESAMPLE] == [1, 2])
        #expect([HV_MSHV_IOEVENTFD_DATAMATCH, HV_MSHV_IOEVENTFD_PIO, HV_MSHV_IOEVENTFD_DEASSIGN] == [1, 2, 4])
        #expect(
            [HV_MSHV_VP_MMAP_REGISTERS, HV_MSHV_VP_MMAP_INTERCEPT_MESSAGE, HV_MSHV_VP_MMAP_GHCB] == [0, 4096, 8192])
    }

    @Test func requests() throws {
        let rows = try Fixture.rows("ioctls.csv")
        let ours = Dictionary(uniqueKeysWithValues: DeviceRequests.all.map { ($0.name + " on " + $0.descriptor, $0) })
        #expect(rows.count == ours.count)
        for row in rows {
            let name = try #require(row["name"]), descriptor = try #require(row["fd"])
            let request = try #require(ours[name + " on " + descriptor], "\(name) on \(descriptor)")
            #expect(Int64(request.value) == (try number(row["request_hex"] ?? "")), "\(name)")
            #expect(request.value & 0xFF == UInt(try number(row["number"] ?? "")), "\(name)")
            #expect(request.value >> 16 & 0x3FFF == UInt(try number(row["size"] ?? "")), "\(name)")
            let structure = row["argument_struct"] ?? ""
            guard structure.hasPrefix("mshv_") else { continue }
            #expect(try Fixture.layout(structure).size == Int(request.value >> 16 & 0x3FFF), "\(name)")
        }
    }

    private struct Row {
        var kind: String
        var value: Int64?
    }

    private func number(_ text: String) throws -> Int64 {
        let value =
            text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16).map { Int64(bitPattern: $0) } : Int64(text)
        return try #require(value, "\(text)")
    }

    private func constantRows() -> [(name: String, value: Int64)] {
        var rows = [hv_constant_row](repeating: hv_constant_row(), count: 512)
        let count = rows.withUnsafeMutableBufferPointer { hv_constant_rows($0.baseAddress, $0.count) }
        #expect(count <= rows.count)
        // The names are literals of the library.
        return rows.prefix(count).map { (String(cString: $0.name), $0.value) }
    }

    private func compiledStructures() -> [(name: String, [(field: String, bits: Range<Int>)])] {
        var rows = [hv_layout_row](repeating: hv_layout_row(), count: 4096)
        let count = rows.withUnsafeMutableBufferPointer { hv_layout_rows($0.baseAddress, $0.count) }
        #expect(count <= rows.count)
        var structures: [(name: String, [(field: String, bits: Range<Int>)])] = []
        for row in rows.prefix(count) {
            // The names are literals of the library: "struct hv_message".
            let name = String(String(cString: row.structure).split(separator: " ").last ?? "")
            if structures.last?.name != name { structures.append((name, [])) }
            let bits = row.first_bit..<(row.first_bit + row.bit_count)
            structures[structures.count - 1].1.append((String(cString: row.field), bits))
        }
        return structures
    }
}

extension StructLayout {
    /// As `bits(of:)`, and for a field without a size in the table (a pointer, an enumeration) up to the next field.
    fileprivate func fieldBits(_ field: Field) throws -> Range<Int> {
        if field.bitOffset != nil || field.size != nil { return try bits(of: field.name) }
        let next = fields.map(\.offset).filter { $0 > field.offset }.min() ?? size
        return (8 * field.offset)..<(8 * next)
    }
}
