import HypercallABI
import Testing

/// Every field of every structure lies where the headers' compiled layouts say. A field with all bits set, in a value
/// that is otherwise zero, must set just its bits.
@Suite struct LayoutTests {
    @Test func partitionStructures() throws {
        let full = PartitionID(rawValue: .max)
        let none = PartitionID.invalid
        try expect("hv_input_create_partition", CreatePartitionInput.zero) { value in
            [
                ("flags", value { $0.flags = PartitionCreationFlags(rawValue: .max) }),
                (
                    "proximity_domain_info.domain_id",
                    value { $0.proximity = ProximityDomainInfo(domain: .max, isPreferred: false, isValid: false) }
                ),
                ("compatibility_version", value { $0.compatibilityVersion = .max }),
                ("partition_creation_properties[0..8]", value { $0.disabledFeatures0 = .max }),
                ("partition_creation_properties[8..16]", value { $0.disabledFeatures1 = .max }),
                ("partition_creation_properties[16..24]", value { $0.disabledXsaveFeatures = .max }),
            ]
        }
        for name in [
            "hv_input_initialize_partition", "hv_input_finalize_partition", "hv_input_delete_partition",
            "hv_output_create_partition",
        ] {
            try expect(name, PartitionIDField(none)) { value in
                [("partition_id", value { $0.partition = full })]
            }
        }
        let get = GetPartitionPropertyInput(partition: none, property: PartitionProperty(rawValue: 0))
        try expect("hv_input_get_partition_property", get) { value in
            [
                ("partition_id", value { $0.partition = full }),
                ("property_code", value { $0.property = PartitionProperty(rawValue: .max) }),
            ]
        }
        #expect(try Fixture.layout("hv_output_get_partition_property").size == GetPartitionPropertyInput.outputSize)
        let set = SetPartitionPropertyInput(partition: none, property: PartitionProperty(rawValue: 0), value: 0)
        try expect("hv_input_set_partition_property", set) { value in
            [
                ("partition_id", value { $0.partition = full }),
                ("property_code", value { $0.property = PartitionProperty(rawValue: .max) }),
                ("property_value", value { $0.value = .max }),
            ]
        }
    }

    @Test func memoryStructures() throws {
        let full = PartitionID(rawValue: .max)
        let none = PartitionID.invalid
        try expect("hv_deposit_memory", DepositMemoryInput(partition: none)) { value in
            [("partition_id", value { $0.partition = full })]
        }
        try expect("hv_input_withdraw_memory", WithdrawMemoryInput(partition: none)) { value in
            [
                ("partition_id", value { $0.partition = full }),
                (
                    "proximity_domain_info.domain_id",
                    value { $0.proximity = ProximityDomainInfo(domain: .max, isPreferred: false, isValid: false) }
                ),
            ]
        }
        #expect(try Fixture.layout("hv_output_withdraw_memory").size == 0)
        try expect("hv_input_map_gpa_pages", MapGPAPagesInput(partition: none, gpaPage: 0, flags: [])) { value in
            [
                ("target_partition_id", value { $0.partition = full }),
                ("target_gpa_base", value { $0.gpaPage = .max }),
                ("map_flags", value { $0.flags = MapGPAFlags(rawValue: .max) }),
            ]
        }
        try expect("hv_input_unmap_gpa_pages", UnmapGPAPagesInput(partition: none, gpaPage: 0, flags: [])) { value in
            [
                ("target_partition_id", value { $0.partition = full }),
                ("target_gpa_base", value { $0.gpaPage = .max }),
                ("unmap_flags", value { $0.flags = UnmapGPAFlags(rawValue: .max) }),
            ]
        }
    }

    @Test func processorStructures() throws {
        let full = PartitionID(rawValue: .max)
        let none = PartitionID.invalid
        try expect("hv_create_vp", CreateVPInput(partition: none, index: 0)) { value in
            [
                ("partition_id", value { $0.partition = full }),
                ("vp_index", value { $0.index = .max }),
                ("subnode_type", value { $0.subnodeType = .max }),
                ("subnode_id", value { $0.subnodeID = .max }),
                (
                    "proximity_domain_info.domain_id",
                    value { $0.proximity = ProximityDomainInfo(domain: .max, isPreferred: false, isValid: false) }
                ),
                ("flags", value { $0.flags = .max }),
            ]
        }
        try expect("hv_input_delete_vp", DeleteVPInput(partition: none, index: 0)) { value in
            [("partition_id", value { $0.partition = full }), ("vp_index", value { $0.index = .max })]
        }
        for name in ["hv_input_get_vp_registers", "hv_input_set_vp_registers"] {
            try expect(name, VPRegistersInput(partition: none, index: 0)) { value in
                [
                    ("partition_id", value { $0.partition = full }),
                    ("vp_index", value { $0.index = .max }),
                ]
            }
        }
        let register = RegisterAssociation(RegisterName(rawValue: 0), 0)
        try expect("hv_register_assoc", register) { value in
            [
                ("name", value { $0.name = RegisterName(rawValue: .max) }),
                ("value", value { $0.value = RegisterValue(low: .max, high: .max) }),
            ]
        }
        try expect("hv_u128", RegisterValue(0)) { value in
            [("low_part", value { $0.low = .max }), ("high_part", value { $0.high = .max })]
        }
    }

    @Test func bitFields() throws {
        let vtl = try Fixture.layout("hv_input_vtl")
        #expect(try vtl.bits(of: "target_vtl") == 0..<4)
        #expect(InputVTL(target: 0xF, usesTarget: false).rawValue == 0x0F)
        #expect(try vtl.bits(of: "use_target_vtl") == 4..<5)
        #expect(InputVTL(target: 0, usesTarget: true).rawValue == 0x10)

        try expect("hv_partition_isolation_properties", IsolationProperties.none) { value in
            [
                ("isolation_type", value { $0.type = 0x1F }),
                ("isolation_host_type", value { $0.hostType = 0x3 }),
                ("shared_gpa_boundary_page_number", value { $0.sharedGPABoundaryPage = 0xF_FFFF_FFFF_FFFF }),
            ]
        }
        let flags = try Fixture.layout("hv_proximity_domain_flags")
        let preferred = ProximityDomainInfo(domain: 0, isPreferred: true, isValid: false)
        let valid = ProximityDomainInfo(domain: 0, isPreferred: false, isValid: true)
        let base = try Fixture.layout("hv_proximity_domain_info").bits(of: "flags").lowerBound
        #expect(setBits(preferred) == Set(try flags.bits(of: "proximity_preferred").map { $0 + base }))
        #expect(setBits(valid) == Set(try flags.bits(of: "proximity_info_valid").map { $0 + base }))
    }

    @Test func registerShapes() throws {
        let zero = SegmentRegister(base: 0, limit: 0, selector: 0, attributes: 0)
        let segment = try Fixture.layout("hv_x64_segment_register")
        func bits(_ change: (inout SegmentRegister) -> Void) -> Set<Int> {
            var value = zero
            change(&value)
            return setBits(RegisterValue(value))
        }
        #expect(bits { $0.base = .max } == Set(try segment.bits(of: "base")))
        #expect(bits { $0.limit = .max } == Set(try segment.bits(of: "limit")))
        #expect(bits { $0.selector = .max } == Set(try segment.bits(of: "selector")))
        #expect(bits { $0.attributes = .max } == Set(try segment.bits(of: "attributes")))
        let table = try Fixture.layout("hv_x64_table_register")
        #expect(setBits(RegisterValue(TableRegister(base: .max, limit: 0))) == Set(try table.bits(of: "base")))
        #expect(setBits(RegisterValue(TableRegister(base: 0, limit: .max))) == Set(try table.bits(of: "limit")))
    }

    /// Checks the size, each listed field's place, and that decoding gives back what was encoded.
    private func expect<Value: HypercallStructure & Equatable>(
        _ name: String, _ zero: Value,
        fields: ((_ change: (inout Value) -> Void) -> Value) -> [(String, Value)]
    ) throws {
        let layout = try Fixture.layout(name)
        #expect(Value.size == layout.size, "size of \(name)")
        #expect(setBits(zero) == [], "zero \(name)")
        let listed = fields { change in
            var value = zero
            change(&value)
            return value
        }
        for (field, value) in listed {
            #expect(setBits(value) == Set(try place(of: field, in: layout)), "\(name).\(field)")
            #expect(try decode(bytes(of: value)) == value, "\(name).\(field) decoded")
        }
    }

    /// A field's bits; `a.b` is a field of a structure in it, `a[x..y]` bytes of it.
    private func place(of field: String, in layout: StructLayout) throws -> Range<Int> {
        let nested = field.split(separator: ".", maxSplits: 1).map(String.init)
        if field.hasSuffix("]") {
            let parts = field.split { "[.]".contains($0) }.map(String.init)
            let base = try layout.bits(of: parts[0]).lowerBound
            return (base + 8 * (Int(parts[1]) ?? 0))..<(base + 8 * (Int(parts[2]) ?? 0))
        }
        guard nested.count == 2 else { return try layout.bits(of: field) }
        let base = try layout.bits(of: nested[0]).lowerBound
        let inner = try Fixture.layout("hv_" + nested[0]).bits(of: nested[1])
        return (base + inner.lowerBound)..<(base + inner.upperBound)
    }

    private func setBits(_ value: some HypercallStructure) -> Set<Int> {
        var bits: Set<Int> = []
        for (index, byte) in bytes(of: value).enumerated() {
            for bit in 0..<8 where byte & 1 << bit != 0 { bits.insert(8 * index + bit) }
        }
        return bits
    }
}

extension CreatePartitionInput {
    static let zero = CreatePartitionInput(flags: [], compatibilityVersion: 0)
}

/// A structure's bytes, in a buffer that held ones before, so that what is not written shows.
func bytes<Value: HypercallStructure>(of value: Value) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xFF, count: Value.size)
    bytes.withUnsafeMutableBytes { buffer in
        #expect(throws: Never.self) { try value.encode(into: ByteWriter(buffer)) }
    }
    return bytes
}

/// A structure made of bytes.
func decode<Value: HypercallStructure>(_ bytes: [UInt8]) throws -> Value {
    try bytes.withUnsafeBytes { buffer in try Value(decoding: ByteReader(buffer)) }
}
