import HypercallABI
import Testing

/// The structures of the calls about devices lie where the headers' compiled layouts say.
@Suite struct DeviceCallLayoutTests {
    private let id = PartitionID(rawValue: .max)
    private let none = PartitionID.invalid
    private let device = DeviceID(rawValue: 0)
    private let all = DeviceID(rawValue: .max)
    private let full = InterruptEntry(source: InterruptSource(rawValue: .max), value: .max)

    @Test func interrupts() throws {
        try expectLayout("hv_input_clear_virtual_interrupt", PartitionIDField(none)) { change in
            [("partition_id", change { $0.partition = id })]
        }
        try expectLayout("hv_interrupt_entry", InterruptEntry.none) { change in
            [
                ("source", change { $0.source = InterruptSource(rawValue: .max) }),
                ("msi_entry", change { $0.value = .max }), ("ioapic_rte", change { $0.value = .max }),
            ]
        }
        let target = InterruptTarget(vector: 0, mask: 0)
        try expectLayout("hv_device_interrupt_target", target, size: 16) { change in
            [
                ("vector", change { $0.vector = .max }),
                ("flags", change { $0.flags = InterruptTargetFlags(rawValue: .max) }),
                ("vp_mask", change { $0.mask = .max }),
            ]
        }
        #expect(try Fixture.layout("hv_vpset").bits(of: "valid_bank_mask") == 64..<128)
        let map = MapDeviceInterruptInput(partition: none, device: device, vectorCount: 0, target: target)
        try expectLayout("hv_input_map_device_interrupt", map, size: 72) { change in
            [
                ("partition_id", change { $0.partition = id }), ("device_id", change { $0.device = all }),
                ("flags", change { $0.flags = .max }), ("base_irt_idx", change { $0.baseIndex = .max }),
                (
                    "logical_interrupt_entry[0..4]",
                    change { $0.logicalEntry.source = InterruptSource(rawValue: .max) }
                ),
                ("logical_interrupt_entry[8..16]", change { $0.logicalEntry.value = .max }),
                ("interrupt_descriptor[0..4]", change { $0.type = .max }),
                ("interrupt_descriptor[4..8]", change { $0.triggerMode = .max }),
                ("interrupt_descriptor[8..12]", change { $0.vectorCount = .max }),
                ("interrupt_descriptor[16..20]", change { $0.target.vector = .max }),
                (
                    "interrupt_descriptor[20..24]",
                    change { $0.target.flags = InterruptTargetFlags(rawValue: .max) }
                ),
                ("interrupt_descriptor[24..32]", change { $0.target.mask = .max }),
            ]
        }
        let descriptor = try Fixture.layout("hv_device_interrupt_descriptor")
        #expect(try descriptor.bits(of: "trigger_mode") == 32..<64)
        #expect(try descriptor.bits(of: "vector_count") == 64..<96)
        #expect(try descriptor.bits(of: "target").lowerBound == 128)
        #expect(try Fixture.layout("hv_output_map_device_interrupt").size == MapDeviceInterruptInput.outputSize)
        #expect(try Fixture.layout("hv_output_map_device_interrupt").bits(of: "interrupt_entry").lowerBound == 0)

        let unmap = UnmapDeviceInterruptInput(partition: none, device: device, entry: .none)
        try expectLayout("hv_input_unmap_device_interrupt", unmap) { change in
            [
                ("partition_id", change { $0.partition = id }), ("device_id", change { $0.device = all }),
                ("interrupt_entry[8..16]", change { $0.entry.value = .max }), ("flags", change { $0.flags = .max }),
            ]
        }
        let retarget = RetargetInterruptInput(partition: none, device: device, entry: .none, target: target)
        try expectLayout("hv_retarget_device_interrupt", retarget, size: 56) { change in
            [
                ("partition_id", change { $0.partition = id }), ("device_id", change { $0.device = all }),
                ("int_entry[8..16]", change { $0.entry.value = .max }),
                ("int_target[0..4]", change { $0.target.vector = .max }),
                ("int_target[8..16]", change { $0.target.mask = .max }),
            ]
        }
        for offset in 4..<8 { expectRefused(InterruptEntry.self, offset) }
        for offset in 52..<56 { expectRefused(MapDeviceInterruptInput.self, offset) }
        for offset in 32..<40 { expectRefused(RetargetInterruptInput.self, offset) }
    }

    @Test func domains() throws {
        let name = DeviceDomainName(partition: none, id: 0)
        try expectLayout("hv_input_device_domain", name) { change in
            [
                ("partition_id", change { $0.partition = id }),
                ("owner_vtl:0..4", change { $0.vtl = InputVTL(target: 15, usesTarget: false) }),
                ("domain_id:0..4", change { $0.type = 15 }), ("domain_id:32..64", change { $0.id = .max }),
            ]
        }
        try expectLayout("hv_input_delete_device_domain", name) { change in
            [("device_domain[0..8]", change { $0.partition = id })]
        }
        let domain = try Fixture.layout("hv_device_domain_id")
        #expect(try domain.bits(of: "type") == 0..<4)
        #expect(try domain.bits(of: "id") == 32..<64)
        try expectLayout("hv_input_create_device_domain", CreateDeviceDomainInput(domain: name)) { change in
            [
                ("device_domain[0..8]", change { $0.domain.partition = id }),
                (
                    "create_device_domain_flags",
                    change { $0.flags = CreateDeviceDomainInput.Flags(rawValue: .max) }
                ),
            ]
        }
        let flags = try Fixture.layout("hv_create_device_domain_flags")
        #expect(try flags.bits(of: "forward_progress_required") == 0..<1)
        #expect(try flags.bits(of: "inherit_owning_vtl") == 1..<2)
        let attach = AttachDeviceDomainInput(domain: name, device: device)
        try expectLayout("hv_input_attach_device_domain", attach) { change in
            [
                ("device_domain[20..24]", change { $0.domain.id = .max }),
                ("device_id", change { $0.device = all }),
            ]
        }
        let ofPartition = PartitionDeviceInput(partition: none, device: device)
        try expectLayout("hv_input_detach_device_domain", ofPartition) { change in
            [("partition_id", change { $0.partition = id }), ("device_id", change { $0.device = all })]
        }
        try expectLayout("hv_input_detach_device", ofPartition) { change in
            [("partition_id", change { $0.partition = id }), ("logical_devid", change { $0.device = all })]
        }
        let map = MapDeviceGPAPagesInput(domain: name, flags: [], address: 0)
        try expectLayout("hv_input_map_device_gpa_pages", map) { change in
            [
                ("device_domain[20..24]", change { $0.domain.id = .max }),
                ("target_vtl:4..5", change { $0.vtl = InputVTL(target: 0, usesTarget: true) }),
                ("map_flags", change { $0.flags = MapGPAFlags(rawValue: .max) }),
                ("target_device_va_base", change { $0.address = .max }),
            ]
        }
        let unmap = UnmapDeviceGPAPagesInput(domain: name, address: 0)
        try expectLayout("hv_input_unmap_device_gpa_pages", unmap) { change in
            [
                ("device_domain[20..24]", change { $0.domain.id = .max }),
                ("target_device_va_base", change { $0.address = .max }),
            ]
        }
        for offset in [9, 10, 11, 12, 15, 17, 19] { expectRefused(DeviceDomainName.self, offset) }
        expectRefused(DeviceDomainName.self, 16, 0x10)
        for offset in 25..<28 { expectRefused(MapDeviceGPAPagesInput.self, offset) }
        for offset in [8, 24] { expectRefused(MapDeviceGPAPagesInput.self, offset, 0x20) }
    }

    @Test func assignment() throws {
        let attach = AttachDeviceInput(partition: none, device: device, flags: [], logicalID: device)
        try expectLayout("hv_input_attach_device", attach) { change in
            [
                ("partition_id", change { $0.partition = id }), ("device_id", change { $0.device = all }),
                ("attdev_flags", change { $0.flags = AttachDeviceInput.Flags(rawValue: .max) }),
                ("attdev_vtl", change { $0.vtl = .max }), ("logical_devid", change { $0.logicalID = all }),
                ("dev_pcicaps:0..12", change { $0.capabilities = 0xFFF }),
                ("pf_pci_rid", change { $0.physicalFunction = .max }),
            ]
        }
        let flags = try Fixture.layout("hv_attdev_flags")
        for (name, flag) in [
            ("logical_id", AttachDeviceInput.Flags.logicalID), ("ats_enabled", .atsEnabled),
            ("virt_func", .virtualFunction), ("shared_irq_child", .sharedInterruptChild),
            ("virt_dev", .virtualDevice), ("ats_supported", .atsSupported), ("small_irt", .smallInterruptTable),
        ] {
            #expect(try flags.bits(of: name).lowerBound == flag.rawValue.trailingZeroBitCount, "\(name)")
        }
        #expect(try Fixture.layout("hv_dev_pci_caps").bits(of: "resvd") == 12..<32)
        try expectLayout("hv_input_get_iommu_capabilities", IOMMUCapabilitiesInput(partition: none)) { change in
            [("partition_id", change { $0.partition = id })]
        }
        let capabilities = IOMMUCapabilities(addressWidth: 0, pasidWidth: 0, features: [], pageSizes: 0)
        #expect(bytes(of: capabilities)[0] == 24, "its own size")
        try expectLayout("hv_output_get_iommu_capabilities", capabilities) { change in
            [
                ("max_iova_width", change { $0.addressWidth = .max }),
                ("max_pasid_width", change { $0.pasidWidth = .max }),
                ("iommu_cap", change { $0.features = IOMMUCapabilities.Features(rawValue: .max) }),
                ("pgsize_bitmap", change { $0.pageSizes = .max }),
            ]
        }
        let property = LogicalDevicePropertyInput(partition: none, device: device, code: 0)
        try expectLayout("hv_input_get_logical_device_property", property) { change in
            [
                ("partition_id", change { $0.partition = id }), ("logical_device_id", change { $0.device = all }),
                ("code", change { $0.code = .max }),
            ]
        }
        let output = try Fixture.layout("hv_output_get_logical_device_property")
        #expect(output.size == LogicalDevicePropertyInput.outputSize)
        #expect(try output.bits(of: "device_iommu") == 0..<64)
        for offset in [21, 22, 33, 38] { expectRefused(AttachDeviceInput.self, offset, 0x10) }
        for offset in 8..<16 { expectRefused(IOMMUCapabilitiesInput.self, offset) }
        for offset in 20..<24 { expectRefused(LogicalDevicePropertyInput.self, offset) }
    }

    @Test func isolation() throws {
        let pages = ImportIsolatedPagesInput(partition: none, pageType: 0, pageSize: 0)
        try expectLayout("hv_input_import_isolated_pages", pages) { change in
            [
                ("partition_id", change { $0.partition = id }), ("page_type", change { $0.pageType = .max }),
                ("page_size", change { $0.pageSize = .max }),
            ]
        }
        let full = [UInt8](repeating: 0xFF, count: 4000)
        try expectLayout("hv_input_complete_isolated_import", CompleteIsolatedImportInput(partition: none)) { change in
            [
                ("partition_id", change { $0.partition = id }),
                ("import_data", CompleteIsolatedImportInput(partition: none, data: full)),
            ]
        }
        let request = IsolatedGuestRequestInput(partition: none, requestPage: 0, responsePage: 0)
        try expectLayout("hv_input_issue_psp_guest_request", request) { change in
            [
                ("partition_id", change { $0.partition = id }), ("request_page", change { $0.requestPage = .max }),
                ("response_page", change { $0.responsePage = .max }),
            ]
        }
    }

    @Test func memoryMappedIO() throws {
        try expectLayout("hv_mmio_read_input", MMIOReadInput(address: 0, count: 0)) { change in
            [("gpa", change { $0.address = .max }), ("size", change { $0.count = .max })]
        }
        #expect(try Fixture.layout("hv_mmio_read_output").size == MMIOReadInput.outputSize)
        try expectLayout("hv_mmio_write_input", MMIOWriteInput(address: 0, data: [])) { change in
            [("gpa", change { $0.address = .max }), ("size", change { $0.count = .max })]
        }
        let full = MMIOWriteInput(address: 0, data: [UInt8](repeating: 0xFF, count: 100))
        #expect(bytes(of: full)[8] == 64)
        #expect(bytes(of: full)[16...] == [UInt8](repeating: 0xFF, count: 64)[...])
        for offset in 12..<16 {
            expectRefused(MMIOReadInput.self, offset)
            expectRefused(MMIOWriteInput.self, offset)
        }
    }

    @Test func deviceNames() throws {
        let layout = try Fixture.layout("hv_device_id")
        func bits(_ device: DeviceID) -> Set<Int> { Set((0..<64).filter { device.rawValue >> UInt64($0) & 1 == 1 }) }
        #expect(bits(.logical(.max)) == Set(try layout.bits(of: "logical.id")))
        let pci = DeviceID.pci(segment: .max, bus: .max, device: .max, function: .max)
        let expected = Set(try layout.bits(of: "pci.rid")).union(try layout.bits(of: "pci.segment")).union([62])
        #expect(bits(pci) == expected)
        #expect(bits(.pci(bus: 0, device: 0, function: 7)) == [0, 1, 2, 62])
        #expect(bits(.pci(bus: 1, device: 1, function: 0)) == [3, 8, 62])
        #expect(bits(.ioAPIC(.max)) == Set(try layout.bits(of: "ioapic.ioapic_id")).union([63]))
        #expect([DeviceID.logical(.max), pci, .ioAPIC(1)].map(\.kind) == [.logical, .pci, .ioAPIC])
        #expect(DeviceID(rawValue: .max).kind == .acpi)
    }

    @Test func numbers() throws {
        let table = Dictionary(
            try Fixture.numbers("device_constants.csv").map { ($0.name, $0.value) },
            uniquingKeysWith: { first, _ in first }
        )
        func bit(_ feature: IOMMUCapabilities.Features) -> UInt64 { UInt64(feature.rawValue.trailingZeroBitCount) }
        let ours: [(String, UInt64)] = [
            ("HV_INTERRUPT_SOURCE_MSI", UInt64(InterruptSource.msi.rawValue)),
            ("HV_INTERRUPT_SOURCE_IOAPIC", UInt64(InterruptSource.ioAPIC.rawValue)),
            ("HV_DEVICE_INTERRUPT_TARGET_MULTICAST", UInt64(InterruptTargetFlags.multicast.rawValue)),
            ("HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET", UInt64(InterruptTargetFlags.processorSet.rawValue)),
            ("HV_DEVICE_DOMAIN_TYPE_S2", UInt64(DeviceDomainName.Kind.secondStage)),
            ("HV_DEVICE_DOMAIN_TYPE_S1", UInt64(DeviceDomainName.Kind.firstStage)),
            ("HV_DEVICE_DOMAIN_TYPE_SOC", UInt64(DeviceDomainName.Kind.soc)),
            ("HV_DEVICE_DOMAIN_ID_S2_DEFAULT", UInt64(DeviceDomainName.standardID)),
            ("HV_DEVICE_DOMAIN_ID_S2_NULL", UInt64(DeviceDomainName.nullID)),
            ("HV_IOMMU_CAP_PRESENT", bit(.present)), ("HV_IOMMU_CAP_S2", bit(.secondStage)),
            ("HV_IOMMU_CAP_S1", bit(.firstStage)), ("HV_IOMMU_CAP_S1_5LVL", bit(.firstStage5Levels)),
            ("HV_IOMMU_CAP_PASID", bit(.pasid)), ("HV_IOMMU_CAP_ATS", bit(.ats)), ("HV_IOMMU_CAP_PRI", bit(.pri)),
            ("HV_DEVICE_TYPE_LOGICAL", DeviceID.Kind.logical.rawValue),
            ("HV_DEVICE_TYPE_PCI", DeviceID.Kind.pci.rawValue),
            ("HV_DEVICE_TYPE_IOAPIC", DeviceID.Kind.ioAPIC.rawValue),
            ("HV_DEVICE_TYPE_ACPI", DeviceID.Kind.acpi.rawValue),
        ]
        for (name, value) in ours { #expect(table[name] == value, "\(name)") }
    }
}
