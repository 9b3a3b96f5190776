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
        let ours: [(String, UInt64)] = [
            ("HV_INTERRUPT_SOURCE_MSI", UInt64(InterruptSource.msi.rawValue)),
            ("HV_INTERRUPT_SOURCE_IOAPIC", UInt64(InterruptSource.ioAPIC.rawValue)),
            ("HV_DEVICE_INTERRUPT_TARGET_MULTICAST", UInt64(InterruptTargetFlags.multicast.rawValue)),
            ("HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET", UInt64(InterruptTargetFlags.processorSet.rawValue)),
            ("HV_DEVICE_TYPE_LOGICAL", DeviceID.Kind.logical.rawValue),
            ("HV_DEVICE_TYPE_PCI", DeviceID.Kind.pci.rawValue),
            ("HV_DEVICE_TYPE_IOAPIC", DeviceID.Kind.ioAPIC.rawValue),
            ("HV_DEVICE_TYPE_ACPI", DeviceID.Kind.acpi.rawValue),
        ]
        for (name, value) in ours { #expect(table[name] == value, "\(name)") }
    }
}
