import HypercallABI
import Testing

@testable import EmbeddedHypervisor

/// The structures of the calls about properties, the system and statistics lie where the headers' compiled layouts say.
@Suite struct PropertyLayoutTests {
    private let id = PartitionID(rawValue: .max)
    private let none = PartitionID.invalid

    @Test func properties() throws {
        let zero = GetPartitionPropertyExInput(partition: none, property: PartitionProperty(rawValue: 0))
        try expectLayout("hv_input_get_partition_property_ex", zero) { change in
            [
                ("partition_id", change { $0.partition = id }),
                ("property_code", change { $0.property = PartitionProperty(rawValue: .max) }),
                ("arg", change { $0.argument = .max }),
            ]
        }
        for byte in 12..<16 { expectRefused(GetPartitionPropertyExInput.self, byte) }
        #expect(
            try Fixture.layout("hv_output_get_partition_property_ex").size == GetPartitionPropertyExInput.outputSize)

        let capabilities = try Fixture.layout("hv_partition_property_vmm_capabilities")
        #expect(try capabilities.bits(of: "bank_count") == 0..<16)
        #expect(try capabilities.bits(of: "as_uint64").lowerBound == 8 * BankedProperty.headSize)
        for (name, bit) in [
            ("map_gpa_preserve_adjustable", VMMCapability.mapGPAPreserveAdjustable),
            ("vmm_can_provide_overlay_gpfn", .vmmCanProvideOverlayGPFN), ("vp_affinity_property", .vpAffinityProperty),
            ("assignable_synthetic_proc_features", .assignableSyntheticProcFeatures),
            ("vmm_enable_integrated_scheduler", .vmmEnableIntegratedScheduler),
        ] {
            #expect(try capabilities.bits(of: name).lowerBound == 64 + Int(bit.rawValue), "\(name)")
        }
    }

    @Test func banks() throws {
        var bytes = [UInt8](repeating: 0xEE, count: GetPartitionPropertyExInput.outputSize)
        let property = BankedProperty(banks: [0x0102_0304_0506_0708, .max])
        try bytes.withUnsafeMutableBytes { try property.encode(into: ByteWriter($0)) }
        #expect(bytes[..<8] == [2, 0, 0, 0, 0, 0, 0, 0])
        let banks: [UInt8] = [8, 7, 6, 5, 4, 3, 2, 1] + [UInt8](repeating: 0xFF, count: 8)
        #expect(Array(bytes[8..<24]) == banks)
        #expect(bytes[24...].allSatisfy { $0 == 0 })
        #expect(try bytes.withUnsafeBytes { try BankedProperty(decoding: ByteReader($0)) } == property)
        #expect(property[1] == .max)
        #expect(property[2] == 0)
        #expect(property[-1] == 0)
        // As many as there is room for, and one more.
        let many = BankedProperty(banks: [UInt64](repeating: 5, count: 600))
        #expect(many.banks.count == 508)
        try bytes.withUnsafeMutableBytes { try many.encode(into: ByteWriter($0)) }
        #expect(try bytes.withUnsafeBytes { try BankedProperty(decoding: ByteReader($0)) } == many)
        bytes[0] = 0xFD
        #expect(throws: HypercallStatus.invalidParameter) {
            try bytes.withUnsafeBytes { _ = try BankedProperty(decoding: ByteReader($0)) }
        }
    }

    @Test func syntheticFeatures() throws {
        let layout = try Fixture.layout("hv_partition_synthetic_processor_features")
        let names: [(String, SyntheticProcessorFeature)] = [
            ("hypervisor_present", .hypervisorPresent), ("hv1", .hv1), ("access_vp_run_time_reg", .accessVPRunTimeReg),
            ("access_partition_reference_counter", .accessPartitionReferenceCounter),
            ("access_synic_regs", .accessSynICRegs), ("access_synthetic_timer_regs", .accessSyntheticTimerRegs),
            ("access_intr_ctrl_regs", .accessIntrCtrlRegs), ("access_hypercall_regs", .accessHypercallRegs),
            ("access_vp_index", .accessVPIndex), ("access_partition_reference_tsc", .accessPartitionReferenceTSC),
            ("access_guest_idle_reg", .accessGuestIdleReg), ("access_frequency_regs", .accessFrequencyRegs),
            ("direct_synthetic_timers", .directSyntheticTimers), ("tb_flush_hypercalls", .tbFlushHypercalls),
            ("synthetic_cluster_ipi", .syntheticClusterIPI), ("enlightened_vmcs", .enlightenedVMCS),
        ]
        for (name, bit) in names {
            #expect(try layout.bits(of: name).lowerBound == Int(bit.rawValue), "\(name)")
        }
    }

    @Test func hostFeatures() throws {
        // Names and numbers are the table's, and none comes twice with different numbers.
        for (kind, bank, features) in [
            ("processor_feature", "0", HostFeature.bank0), ("processor_feature", "1", HostFeature.bank1),
            ("xsave_feature", "0", HostFeature.xsave),
        ] {
            let rows = try Fixture.rows("property_features.csv").filter { $0["kind"] == kind && $0["bank"] == bank }
            for feature in features {
                let row = rows.first { $0["bit"] == String(feature.position) }
                let columns = ["linux", "rust_vmm", "openvmm"]
                let names = [feature.name, feature.name + "_support"]
                #expect(columns.contains { names.contains(row?[$0] ?? "") }, "\(kind) \(feature.name)")
                #expect(feature.bit < 32)
            }
        }
    }

    @Test func system() throws {
        try expectLayout(
            "hv_input_get_system_property", GetSystemPropertyInput(property: SystemProperty(rawValue: 0))
        ) { change in
            [
                ("property_id", change { $0.property = SystemProperty(rawValue: .max) }),
                ("as_uint32", change { $0.argument = .max }),
            ]
        }
        #expect(try Fixture.layout("hv_output_get_system_property").size == GetSystemPropertyInput.outputSize)
        let set = SetSystemPropertyInput(property: SystemProperty(rawValue: 0), sleep: SleepStateInfo(state: 0))
        try expectLayout("hv_input_set_system_property", set) { change in
            [
                ("property_id", change { $0.property = SystemProperty(rawValue: .max) }),
                ("set_sleep_state_info[0..4]", change { $0.sleep.state = .max }),
                ("set_sleep_state_info[4..5]", change { $0.sleep.pm1a = .max }),
                ("set_sleep_state_info[5..6]", change { $0.sleep.pm1b = .max }),
            ]
        }
        for byte in 4..<8 { expectRefused(SetSystemPropertyInput.self, byte) }
        var bytes = bytes(of: SetSystemPropertyInput(property: .sleepState, sleep: SleepStateInfo(state: 1)))
        for byte in 14..<SetSystemPropertyInput.size {
            bytes[byte] = 1
            #expect(throws: HypercallStatus.invalidParameter) {
                let _: SetSystemPropertyInput = try decode(bytes)
            }
            bytes[byte] = 0
        }
        let event = NotifyPartitionEventInput(event: PartitionEvent(rawValue: 0))
        try expectLayout("hv_input_notify_partition_event", event) { change in
            [
                ("event", change { $0.event = PartitionEvent(rawValue: .max) }),
                ("input", change { $0.argument = .max }),
            ]
        }
        try expectLayout("hv_input_get_next_child_partition", NextChildPartitionInput(parent: none)) { change in
            [
                ("parent_id", change { $0.parent = id }), ("previous_child_id", change { $0.previous = id }),
            ]
        }
        for name in ["hv_output_get_partition_id", "hv_output_get_next_child_partition"] {
            #expect(try Fixture.layout(name).size == PartitionIDField.size)
        }
    }

    @Test func statistics() throws {
        let identity = try Fixture.layout("hv_stats_object_identity")
        #expect(identity.size == StatisticsIdentity.size)
        let base = 64
        func bits(_ object: StatisticsObject, _ change: (inout StatisticsIdentity) -> Void) throws -> Set<Int> {
            let zero = StatisticsPageInput(StatisticsIdentity(object: object))
            var value = zero
            change(&value.identity)
            #expect(try decode(bytes(of: value)) == value)
            return Set(setBits(of: value).subtracting(setBits(of: zero)).map { $0 - base })
        }
        for (object, name) in [
            (StatisticsObject.hypervisor, "hv"), (.logicalProcessor, "lp"), (.partition, "partition"),
            (.virtualProcessor, "vp"),
        ] {
            let area = try bits(object) { $0.area = StatisticsArea(rawValue: .max) }
            #expect(area == Set(try identity.bits(of: "\(name).stats_area_type")))
            for byte in try identity.bits(of: "\(name).reserved") where byte % 8 == 0 {
                var bytes = bytes(of: StatisticsPageInput(StatisticsIdentity(object: object)))
                bytes[8 + byte / 8] = 1
                #expect(throws: HypercallStatus.invalidParameter, "\(name) byte \(byte / 8)") {
                    let _: StatisticsPageInput = try decode(bytes)
                }
            }
        }
        #expect(try bits(.logicalProcessor) { $0.index = .max } == Set(identity.bits(of: "lp.lp_index")))
        #expect(try bits(.partition) { $0.partition = id } == Set(identity.bits(of: "partition.partition_id")))
        #expect(try bits(.virtualProcessor) { $0.partition = id } == Set(identity.bits(of: "vp.partition_id")))
        #expect(try bits(.virtualProcessor) { $0.index = .max } == Set(identity.bits(of: "vp.vp_index")))
        #expect(try bits(.virtualProcessor) { $0.flags = .max } == Set(identity.bits(of: "vp.flags")))

        for name in ["hv_input_map_stats_page", "hv_input_unmap_stats_page"] {
            #expect(try Fixture.layout(name).size == StatisticsPageInput.size)
            #expect(try Fixture.layout(name).bits(of: "identity").lowerBound == base)
        }
        try expectLayout(
            "hv_input_map_stats_page2", MapStatisticsPage2Input(.hypervisor, location: 0)
        ) { change in [("map_location", change { $0.location = .max })] }
        #expect(try Fixture.layout("hv_output_map_stats_page").size == StatisticsPageInput.outputSize)
        #expect(try Fixture.layout("hv_stats_page").size == StatisticsPageLayout.size)
    }
}
