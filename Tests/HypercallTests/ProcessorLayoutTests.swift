import HypercallABI
import Testing

/// The structures of the calls about guest memory and processor state lie where the headers' compiled layouts say: a
/// field with all bits set, in a value that is otherwise zero, must set just its bits, and survives decoding.
@Suite struct ProcessorLayoutTests {
    private let id = PartitionID(rawValue: .max)
    private let none = PartitionID.invalid

    @Test func guestAccess() throws {
        try expect(
            "hv_input_get_gpa_pages_access_state", GetGPAAccessStatesInput(partition: none, flags: [], gpaPage: 0)
        ) { change in
            [
                ("partition_id", change { $0.partition = id }),
                ("flags", change { $0.flags = GPAAccessStateFlags(rawValue: .max) }),
                ("hv_gpa_page_number", change { $0.gpaPage = .max }),
            ]
        }
        let flags = try layout("hv_gpa_page_access_state_flags")
        for (name, flag) in [
            ("clear_accessed", GPAAccessStateFlags.clearAccessed), ("set_accessed", .setAccessed),
            ("clear_dirty", .clearDirty), ("set_dirty", .setDirty),
        ] {
            #expect(try flags.bits(of: name).lowerBound == flag.rawValue.trailingZeroBitCount, "\(name)")
        }
        #expect(try layout("hv_gpa_page_access_state").bits(of: "accessed") == 0..<1)
        #expect(try layout("hv_gpa_page_access_state").bits(of: "dirty") == 1..<2)

        let access = AccessGPAInput(partition: none, index: 0, byteCount: 0, gpa: 0)
        try expect("hv_input_read_gpa", access) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("byte_count", change { $0.byteCount = .max }), ("base_gpa", change { $0.gpa = .max }),
                ("control_flags[0..1]", change { $0.cacheType = .max }),
            ]
        }
        try expect("hv_input_write_gpa", WriteGPAInput(access: access, data: GPAData())) { change in
            [
                ("partition_id", change { $0.access.partition = id }),
                ("base_gpa", change { $0.access.gpa = .max }),
                ("data[0..16]", change { $0.data = GPAData(low: .max, high: .max) }),
            ]
        }
        let full = GPAAccessResult(rawValue: .max)
        try expect("hv_output_read_gpa", ReadGPAOutput(result: .success)) { change in
            [
                ("access_result[0..4]", change { $0.result = full }),
                ("data[0..16]", change { $0.data = GPAData(low: .max, high: .max) }),
            ]
        }
        #expect(try layout("hv_output_write_gpa").size == WriteGPAInput.outputSize)
        try expect(
            "hv_input_modify_sparse_spa_page_host_access", SPAHostAccessInput(partition: none, hostAccess: 0, flags: [])
        ) { change in
            [
                ("host_access", change { $0.hostAccess = 3 }),
                ("flags", change { $0.flags = SPAHostAccessFlags(rawValue: .max) }),
                ("partition_id", change { $0.partition = id }),
            ]
        }
        #expect(GPAData((0..<16).map { UInt8($0) }).bytes == (0..<16).map { UInt8($0) })
    }

    @Test func intercepts() throws {
        let install = InstallInterceptInput(
            partition: none, access: [], type: InterceptType(rawValue: 0), parameter: 0)
        try expect("hv_input_install_intercept", install) { change in
            [
                ("partition_id", change { $0.partition = id }),
                ("access_type", change { $0.access = InterceptAccessMask(rawValue: .max) }),
                ("intercept_type", change { $0.type = InterceptType(rawValue: .max) }),
                ("intercept_parameter", change { $0.parameter = .max }),
            ]
        }
        let cpuid = CPUIDResultParameters(leaf: 0, values: CPUIDRegisters(), masks: CPUIDRegisters())
        try expect("hv_register_x64_cpuid_result_parameters", cpuid) { change in
            [
                ("input.eax", change { $0.leaf = .max }), ("input.ecx", change { $0.subleaf = .max }),
                ("result.eax", change { $0.values.eax = .max }), ("result.eax_mask", change { $0.masks.eax = .max }),
                ("result.ebx", change { $0.values.ebx = .max }), ("result.ebx_mask", change { $0.masks.ebx = .max }),
                ("result.ecx", change { $0.values.ecx = .max }), ("result.ecx_mask", change { $0.masks.ecx = .max }),
                ("result.edx", change { $0.values.edx = .max }), ("result.edx_mask", change { $0.masks.edx = .max }),
            ]
        }
        var flags = cpuid
        flags.isSubleafSpecific = true
        #expect(bytes(of: flags)[8] == 1)
        flags.alwaysOverrides = true
        #expect(bytes(of: flags)[9] == 1)
        let msr = MSRResultParameters(index: 0, access: [], action: .fault)
        try expect("hv_register_x64_msr_result_parameters", msr) { change in
            [
                ("msr_index", change { $0.index = .max }),
                ("access_type", change { $0.access = InterceptAccessMask(rawValue: .max) }),
            ]
        }
        let register = RegisterInterceptResultInput(partition: none, index: 0, parameters: .msr(msr))
        #expect(try layout("hv_input_register_intercept_result").size == RegisterInterceptResultInput.size)
        let place = try layout("hv_input_register_intercept_result").bits(of: "parameters").lowerBound / 8
        var full = register
        full.parameters = .cpuid(flags)
        #expect(Array(bytes(of: full)[place...]) == bytes(of: flags))
        #expect(bytes(of: full)[12] == UInt8(InterceptType.cpuid.rawValue))
        #expect(try decode(bytes(of: full)) == full)
        #expect(try decode(bytes(of: register)) == register)
    }

    @Test func translation() throws {
        let input = TranslateGVAInput(partition: none, index: 0, flags: [], gvaPage: 0)
        try expect("hv_input_translate_virtual_address", input) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("control_flags[0..7]", change { $0.flags = TranslateGVAFlags(rawValue: 0x00FF_FFFF_FFFF_FFFF) }),
                ("gva_page", change { $0.gvaPage = .max }),
            ]
        }
        var vtl = input
        vtl.vtl = InputVTL(target: 0xF, usesTarget: true)
        #expect(bytes(of: vtl)[23] == 0x1F)
        let output = TranslateGVAOutput(result: .success)
        let result = TranslateGVAResult(rawValue: .max)
        try expect("hv_output_translate_virtual_address", output) { change in
            [
                ("translation_result[0..4]", change { $0.result = result }),
                ("translation_result[4..5]", change { $0.cacheType = .max }),
                ("gpa_page", change { $0.gpaPage = .max }),
            ]
        }
        let inner = try layout("hv_translate_gva_result_ex")
        #expect(try inner.bits(of: "cache_type") == 32..<40)
        #expect(try inner.bits(of: "overlay_page") == 40..<41)
        let extended = try layout("hv_output_translate_virtual_address_ex")
        #expect(extended.size == TranslateGVAOutput.extendedSize)
        #expect(try extended.bits(of: "gpa_page").lowerBound == 8 * 48)
    }

    @Test func state() throws {
        let input = VPStateInput(partition: none, index: 0, type: VPStateType(rawValue: 0))
        for name in ["hv_input_get_vp_state", "hv_input_set_vp_state"] {
            try expect(name, input) { change in
                [
                    ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                    ("state_data[0..4]", change { $0.type = VPStateType(rawValue: .max) }),
                    ("state_data[8..16]", change { $0.xsaveFlags = .max }),
                    ("state_data[16..24]", change { $0.xsaveStates = .max }),
                ]
            }
        }
        #expect(try layout("hv_output_get_vp_state").size == VPStateInput.outputSize)
        #expect(try layout("hv_synthetic_timers_state").size == SyntheticTimersState.size)
        let reserved = SyntheticTimerState.reservedConfiguration
        let configuration = try layout("hv_stimer_config")
        for field in ["reserved_z0", "reserved_z1"] {
            for bit in try configuration.bits(of: field) { #expect(reserved & 1 << bit != 0) }
        }
        #expect(reserved.nonzeroBitCount == 47)
        try expect("hv_stimer_state", SyntheticTimerState.zero) { change in
            [
                ("config[0..1]", change { $0.configuration = 0xFF }), ("count", change { $0.count = .max }),
                ("adjustment", change { $0.adjustment = .max }),
                ("undelivered_exp_time", change { $0.undeliveredExpirationTime = .max }),
            ]
        }
        let page = UnmapVPStatePageInput(partition: none, index: 0, type: .registers)
        try expect("hv_input_unmap_vp_state_page", page) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("type", change { $0.type = VPStatePageType(rawValue: .max) }),
            ]
        }
        try expect("hv_input_map_vp_state_page", MapVPStatePageInput(page)) { change in
            [
                ("partition_id", change { $0.page.partition = id }), ("vp_index", change { $0.page.index = .max }),
                ("type", change { $0.page.type = VPStatePageType(rawValue: .max) }),
            ]
        }
        let requested = bytes(of: MapVPStatePageInput(page, location: .max))
        #expect(requested[15] == 1)
        #expect(Array(requested[16...]) == [UInt8](repeating: 0xFF, count: 8))
    }

    @Test func control() throws {
        let values = CPUIDValuesInput(
            partition: none, index: 0, usesProcessorFeatures: false, appliesRegisteredResults: false)
        try expect("hv_input_get_vp_cpuid_values", values) { change in
            [("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max })]
        }
        var flags = values
        flags.usesProcessorFeatures = true
        #expect(bytes(of: flags)[12] == 1)
        flags.appliesRegisteredResults = true
        #expect(bytes(of: flags)[12] == 3)
        try expect("hv_cpuid_leaf_info", CPUIDLeaf(leaf: 0)) { change in
            [
                ("eax", change { $0.leaf = .max }), ("ecx", change { $0.subleaf = .max }),
                ("xfem", change { $0.xfem = .max }), ("xss", change { $0.xss = .max }),
            ]
        }
        try expect("hv_output_get_vp_cpuid_values", CPUIDRegisters()) { change in
            [
                ("eax", change { $0.eax = .max }), ("ebx", change { $0.ebx = .max }),
                ("ecx", change { $0.ecx = .max }), ("edx", change { $0.edx = .max }),
            ]
        }
        try expect("hv_input_dispatch_vp", DispatchVPInput(partition: none, index: 0)) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("flags", change { $0.flags = DispatchVPFlags(rawValue: .max) }),
                ("time_slice", change { $0.timeSlice = .max }), ("spec_ctrl", change { $0.specCtrl = .max }),
            ]
        }
        let dispatched = DispatchVPOutput(
            state: DispatchVPOutput.State(rawValue: 0), event: DispatchVPOutput.Event(rawValue: 0))
        try expect("hv_output_dispatch_vp", dispatched) { change in
            [
                ("dispatch_state", change { $0.state = DispatchVPOutput.State(rawValue: .max) }),
                ("dispatch_event", change { $0.event = DispatchVPOutput.Event(rawValue: .max) }),
            ]
        }
        try expect(
            "hv_output_get_logical_processor_run_time", LogicalProcessorRunTime(global: 0, local: 0, hypervisor: 0)
        ) {
            change in
            [
                ("global_time", change { $0.global = .max }), ("local_run_time", change { $0.local = .max }),
                ("hypervisor_time", change { $0.hypervisor = .max }),
            ]
        }
        try expect("hv_get_vp_from_apic_id_in", VPIndexFromAPICIDInput(partition: none)) { change in
            [("partition_id", change { $0.partition = id })]
        }
        try expect("hv_init_vp_context", InitialVPContext()) { change in
            [
                ("rip", change { $0.rip = .max }), ("rsp", change { $0.rsp = .max }),
                ("rflags", change { $0.rflags = .max }), ("efer", change { $0.efer = .max }),
                ("cr0", change { $0.cr0 = .max }), ("cr3", change { $0.cr3 = .max }),
                ("cr4", change { $0.cr4 = .max }), ("msr_cr_pat", change { $0.pat = .max }),
            ]
                + InitialVPContext.descriptorNames.map { register in
                    let field = String(describing: register).split(separator: "_").last.map(String.init) ?? ""
                    return (field.lowercased(), change { $0.set(register, RegisterValue(low: .max, high: .max)) })
                }
        }
        try expect("hv_enable_vp_vtl", StartVPInput(partition: none, index: 0)) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("vp_context[0..8]", change { $0.context.rip = .max }),
            ]
        }
    }

    /// Reserved fields and values without a meaning.
    @Test func refusals() {
        func refuses<Value: HypercallStructure>(_ type: Value.Type, _ offset: Int, _ value: UInt8) {
            var bytes = [UInt8](repeating: 0, count: Value.size)
            bytes[offset] = value
            #expect(throws: HypercallStatus.invalidParameter, "\(type) byte \(offset)") {
                let _: Value = try decode(bytes)
            }
        }
        for offset in 25..<32 { refuses(AccessGPAInput.self, offset, 1) }
        refuses(SPAHostAccessInput.self, 0, 4)
        refuses(RegisterInterceptResultInput.self, 12, 0)
        refuses(RegisterInterceptResultInput.self, 12, 3)
        for offset in [8, 9] { refuses(CPUIDResultParameters.self, offset, 2) }
        refuses(CPUIDResultParameters.self, 11, 1)
        refuses(MSRResultParameters.self, 8, 2)
        for offset in 12..<16 { refuses(TranslateGVAInput.self, offset, 1) }
        refuses(TranslateGVAInput.self, 23, 0x20)
        for offset in [13, 14, 15, 20, 23] { refuses(VPStateInput.self, offset, 1) }
        refuses(VPStateInput.self, 12, 0x20)
        for (offset, value) in [(0, 2), (4, 1), (9, 0x20), (15, 0x80)] as [(Int, UInt8)] {
            refuses(SyntheticTimerState.self, offset, value)
        }
        for offset in 160..<200 { refuses(SyntheticTimersState.self, offset, 1) }
        refuses(UnmapVPStatePageInput.self, 15, 1)
        refuses(MapVPStatePageInput.self, 15, 2)
        for offset in [12, 16, 20] { refuses(CPUIDValuesInput.self, offset, 4) }
        for offset in 9..<16 { refuses(VPIndexFromAPICIDInput.self, offset, 1) }
        for offset in 13..<16 { refuses(StartVPInput.self, offset, 1) }
    }

    @Test func numbers() throws {
        let table = Dictionary(
            try Fixture.numbers("constants-vp.csv").map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }
        )
        let ours: [(String, UInt64)] = [
            ("HV_GET_SET_VP_STATE_LAPIC_STATE", UInt64(VPStateType.localAPIC.rawValue)),
            ("HV_GET_SET_VP_STATE_XSAVE", UInt64(VPStateType.xsave.rawValue)),
            ("HV_GET_SET_VP_STATE_SIM_PAGE", UInt64(VPStateType.simPage.rawValue)),
            ("HV_GET_SET_VP_STATE_SIEF_PAGE", UInt64(VPStateType.siefPage.rawValue)),
            ("HV_GET_SET_VP_STATE_SYNTHETIC_TIMERS", UInt64(VPStateType.syntheticTimers.rawValue)),
            ("HV_VP_STATE_PAGE_REGISTERS", UInt64(VPStatePageType.registers.rawValue)),
            ("HV_VP_STATE_PAGE_INTERCEPT_MESSAGE", UInt64(VPStatePageType.interceptMessage.rawValue)),
            ("HV_VP_STATE_PAGE_GHCB", UInt64(VPStatePageType.ghcb.rawValue)),
            ("HV_VP_DISPATCH_STATE_BLOCKED", UInt64(DispatchVPOutput.State.blocked.rawValue)),
            ("HV_VP_DISPATCH_STATE_READY", UInt64(DispatchVPOutput.State.ready.rawValue)),
            ("HV_VP_DISPATCH_EVENT_SUSPEND", UInt64(DispatchVPOutput.Event.suspend.rawValue)),
            ("HV_VP_DISPATCH_EVENT_INTERCEPT", UInt64(DispatchVPOutput.Event.intercept.rawValue)),
            ("HV_DISPATCH_VP_FLAG_CLEAR_INTERCEPT_SUSPEND", UInt64(DispatchVPFlags.clearInterceptSuspend.rawValue)),
            ("HV_DISPATCH_VP_FLAG_SCAN_INTERRUPT_INJECTION", UInt64(DispatchVPFlags.scanInterruptInjection.rawValue)),
            ("HV_MODIFY_SPA_PAGE_HOST_ACCESS_MAKE_EXCLUSIVE", UInt64(SPAHostAccessFlags.makeExclusive.rawValue)),
            ("HV_MODIFY_SPA_PAGE_HOST_ACCESS_MAKE_SHARED", UInt64(SPAHostAccessFlags.makeShared.rawValue)),
            ("HV_MODIFY_SPA_PAGE_HOST_ACCESS_LARGE_PAGE", UInt64(SPAHostAccessFlags.largePage.rawValue)),
            ("HV_MODIFY_SPA_PAGE_HOST_ACCESS_HUGE_PAGE", UInt64(SPAHostAccessFlags.hugePage.rawValue)),
            ("HV_TRANSLATE_GVA_VALIDATE_READ", TranslateGVAFlags.validateRead.rawValue),
            ("HV_TRANSLATE_GVA_VALIDATE_WRITE", TranslateGVAFlags.validateWrite.rawValue),
            ("HV_TRANSLATE_GVA_VALIDATE_EXECUTE", TranslateGVAFlags.validateExecute.rawValue),
            ("HV_TRANSLATE_GVA_PRIVILEGE_EXEMPT", TranslateGVAFlags.privilegeExempt.rawValue),
            ("HV_TRANSLATE_GVA_SET_PAGE_TABLE_BITS", TranslateGVAFlags.setPageTableBits.rawValue),
            ("HV_TRANSLATE_GVA_TLB_FLUSH_INHIBIT", TranslateGVAFlags.tlbFlushInhibit.rawValue),
            ("HV_TRANSLATE_GVA_SUPERVISOR_ACCESS", TranslateGVAFlags.supervisorAccess.rawValue),
            ("HV_TRANSLATE_GVA_USER_ACCESS", TranslateGVAFlags.userAccess.rawValue),
            ("HV_TRANSLATE_GVA_ENFORCE_SMAP", TranslateGVAFlags.enforceSMAP.rawValue),
            ("HV_TRANSLATE_GVA_OVERRIDE_SMAP", TranslateGVAFlags.overrideSMAP.rawValue),
            ("HV_TRANSLATE_GVA_SHADOW_STACK", TranslateGVAFlags.shadowStack.rawValue),
            ("HV_TRANSLATE_GVA_PAGE_NOT_PRESENT", UInt64(TranslateGVAResult.pageNotPresent.rawValue)),
            ("HV_TRANSLATE_GVA_PRIVILEGE_VIOLATION", UInt64(TranslateGVAResult.privilegeViolation.rawValue)),
            ("HV_TRANSLATE_GVA_INVALID_PAGE_TABLE_FLAGS", UInt64(TranslateGVAResult.invalidPageTableFlags.rawValue)),
            ("HV_TRANSLATE_GVA_GPA_UNMAPPED", UInt64(TranslateGVAResult.gpaUnmapped.rawValue)),
            ("HV_TRANSLATE_GVA_GPA_NO_READ_ACCESS", UInt64(TranslateGVAResult.gpaNoReadAccess.rawValue)),
            ("HV_TRANSLATE_GVA_GPA_NO_WRITE_ACCESS", UInt64(TranslateGVAResult.gpaNoWriteAccess.rawValue)),
            ("HV_ACCESS_GPA_UNMAPPED", UInt64(GPAAccessResult.unmapped.rawValue)),
            ("HV_ACCESS_GPA_READ_INTERCEPT", UInt64(GPAAccessResult.readIntercept.rawValue)),
            ("HV_ACCESS_GPA_WRITE_INTERCEPT", UInt64(GPAAccessResult.writeIntercept.rawValue)),
            (
                "HV_UNIMPLEMENTED_MSR_ACTION_IGNORE_WRITE_READ_ZERO",
                UInt64(UnimplementedMSRAction.ignoreWriteReadZero.rawValue)
            ),
        ]
        for (name, value) in ours { #expect(table[name] == value, "\(name)") }
    }

    private func layout(_ name: String) throws -> StructLayout { try Fixture.layout(name, in: "structs-vp.json") }

    private func expect<Value: HypercallStructure & Equatable>(
        _ name: String, _ zero: Value, fields: ((_ change: (inout Value) -> Void) -> Value) -> [(String, Value)]
    ) throws {
        let layout = try layout(name)
        #expect(Value.size == layout.size, "size of \(name)")
        let listed = fields { change in
            var value = zero
            change(&value)
            return value
        }
        // What an empty value has set by its kind, such as a type.
        let base = setBits(zero)
        for (field, value) in listed {
            #expect(setBits(value).subtracting(base) == Set(try place(of: field, in: layout)), "\(name).\(field)")
            #expect(try decode(bytes(of: value)) == value, "\(name).\(field) decoded")
        }
    }

    /// A field's bits; `a[x..y]` is bytes of it.
    private func place(of field: String, in layout: StructLayout) throws -> Range<Int> {
        guard field.hasSuffix("]") else { return try layout.bits(of: field) }
        let parts = field.split { "[.]".contains($0) }.map(String.init)
        let base = try layout.bits(of: parts[0]).lowerBound
        return (base + 8 * (Int(parts[1]) ?? 0))..<(base + 8 * (Int(parts[2]) ?? 0))
    }

    private func setBits(_ value: some HypercallStructure) -> Set<Int> {
        var bits: Set<Int> = []
        for (index, byte) in bytes(of: value).enumerated() {
            for bit in 0..<8 where byte & 1 << bit != 0 { bits.insert(8 * index + bit) }
        }
        return bits
    }
}
