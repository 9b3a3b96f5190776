import HypercallABI
import Testing

/// Counters, MSRs and CPUID bits are those of the tables.
@Suite struct CounterAndCPUIDTests {
    @Test func counters() throws {
        let rows = try Fixture.rows("stats_counters.csv")
        #expect(rows.count == 319)
        try check(HypervisorCounter.self, rows)
        try check(LogicalProcessorCounter.self, rows)
        try check(PartitionCounter.self, rows)
        try check(VPCounter.self, rows)
        #expect(Set(rows.compactMap { $0["object"] }).count == 4)
        #expect(StatisticsObject(rawValue: 0x77).description == "statistics object 0x77")
    }

    private func check<Counter: StatisticsCounter>(_ type: Counter.Type, _ rows: [[String: String]]) throws {
        let rows = rows.filter { $0["object"] == Counter.object.description }
        var named = 0
        for row in rows {
            #expect(row["object_type"].flatMap { UInt32($0.dropFirst(2), radix: 16) } == Counter.object.rawValue)
            let index = try #require(Int(row["index"] ?? "")), name = try #require(row["name"])
            // Reserved for what comes: those have no name here.
            if name.hasPrefix(Counter.prefix + "Placeholder") {
                #expect(Counter(rawValue: index) == nil, "\(name)")
                continue
            }
            named += 1
            #expect(Counter(rawValue: index)?.name == name)
            #expect(row["byte_offset"] == (Counter(rawValue: index)?.byteOffset).map { "\($0)" }, "\(name)")
            #expect(index < StatisticsPageLayout.count)
        }
        #expect(Counter.allCases.count == named)
        #expect(named > 0)
    }

    @Test func syntheticMSRs() throws {
        let rows = try Fixture.rows("synthetic_msrs.csv")
        #expect(rows.count == SyntheticMSR.allCases.count)
        for row in rows {
            let number = try #require(UInt32((row["msr"] ?? "").dropFirst(2), radix: 16))
            let msr = try #require(SyntheticMSR(rawValue: number), "\(row)")
            #expect("HVX64MSR" + String(describing: msr).uppercased() == letters(row["name"] ?? ""))
        }
    }

    /// Every row of one bit is a case; every case is a row.
    @Test func bits() throws {
        var left = try Fixture.rows("cpuid.csv").filter { $0["bit_low"] == $0["bit_high"] && $0["bit_low"] != "" }
        func check<Bit: CPUIDBit>(_ type: Bit.Type, _ leaf: UInt32, _ register: String, from first: UInt8 = 0) throws {
            let number = String(leaf, radix: 16, uppercase: true)
            var cases = Set(Bit.allCases.filter { $0.rawValue >= first && $0.rawValue < first + 32 })
            for row in left where row["leaf"]?.uppercased() == "0X" + number && row["register"] == register {
                let bit = try #require(Bit(rawValue: first + (UInt8(row["bit_low"] ?? "") ?? .max - first)), "\(row)")
                #expect(letters(String(describing: bit)) == letters(row["name"] ?? ""))
                cases.remove(bit)
            }
            #expect(cases.isEmpty, "\(cases)")
            left.removeAll { $0["leaf"]?.uppercased() == "0X" + number && $0["register"] == register }
        }
        try check(PartitionPrivilege.self, HypervisorLeaf.features, "EAX")
        try check(PartitionPrivilege.self, HypervisorLeaf.features, "EBX", from: 32)
        try check(HypervisorPowerFeature.self, HypervisorLeaf.features, "ECX")
        try check(HypervisorFeature.self, HypervisorLeaf.features, "EDX")
        try check(HypervisorRecommendation.self, HypervisorLeaf.recommendations, "EAX")
        try check(HypervisorHardwareFeature.self, HypervisorLeaf.hardwareFeatures, "EAX")
        try check(CPUManagementFeature.self, HypervisorLeaf.cpuManagement, "EAX")
        try check(NestedFeature.self, HypervisorLeaf.nestedFeatures, "EAX")
        try check(VirtualizationStackProperty.self, HypervisorLeaf.virtualizationStackProperties, "EAX")
        // The bit that says "there is a hypervisor", one of the nested features, and two about isolated guests.
        #expect(
            left.map { "\($0["leaf"] ?? "") \($0["name"] ?? "")" } == [
                "0x00000001 hypervisor_present", "0x4000000A evmcs1_perf_global_ctrl",
                "0x4000000C paravisor_present", "0x4000000C shared_gpa_boundary_active",
            ])
    }

    private func letters(_ name: String) -> String { name.uppercased().filter { $0 != "_" } }
}

/// What a set of CPUID leaves says that this machine is.
@Suite struct HypervisorIdentityTests {
    private static let privileges: UInt32 = 1 << 12 | 1

    /// A root partition's leaves, with what a test changes.
    private func identity(
        present: Bool = true, vendor: (UInt32, UInt32, UInt32) = HypervisorLeaf.microsoft,
        maximum: UInt32 = 0x4000_000C, interface: UInt32 = HypervisorLeaf.hv1, privileges: UInt32 = privileges
    ) -> HypervisorIdentity? {
        HypervisorIdentity { leaf in
            switch leaf {
            case 1: CPUIDRegisters(eax: 0, ebx: 0, ecx: present ? 1 << 31 : 0, edx: 0)
            case 0x4000_0000: CPUIDRegisters(eax: maximum, ebx: vendor.0, ecx: vendor.1, edx: vendor.2)
            case 0x4000_0001: CPUIDRegisters(eax: interface, ebx: 0, ecx: 0, edx: 0)
            case 0x4000_0002: CPUIDRegisters(eax: 27744, ebx: 10 << 16 | 1, ecx: 5, edx: 2 << 24 | 1000)
            case 0x4000_0003: CPUIDRegisters(eax: 1 << 5, ebx: privileges, ecx: 0, edx: 1 << 24)
            case 0x4000_0004: CPUIDRegisters(eax: 1 << 12, ebx: 0, ecx: 0, edx: 0)
            case 0x4000_0005: CPUIDRegisters(eax: 2048, ebx: 1024, ecx: 0, edx: 0)
            case 0x4000_0006: CPUIDRegisters(eax: 1 << 3, ebx: 0, ecx: 0, edx: 0)
            default: CPUIDRegisters(eax: .max, ebx: .max, ecx: .max, edx: .max)
            }
        }
    }

    @Test func root() throws {
        let root = try #require(identity())
        #expect(root.role == .root)
        #expect(root.vendor == "Microsoft Hv")
        #expect(root.version?.description == "10.1.27744.1000-2")
        #expect(root.version?.servicePack == 5)
        #expect(root.privileges.named == [.accessHypercallMsrs, .createPartitions, .cpuManagement])
        #expect(root.features.named == [.deviceDomainsAvailable])
        #expect(root.hardware.named == [.secondLevelAddressTranslationInUse])
        #expect(root.isNested)
        #expect(root.maximumVPs == 2048)
        #expect(root.maximumLogicalProcessors == 1024)
    }

    /// The newest rule: who may make partitions and is not isolated is a root, or L1VH without processors to manage.
    @Test(arguments: [
        (create: false, manage: false, isolated: false, role: HypervisorIdentity.Role.guest),
        (false, true, false, .guest), (true, false, false, .l1vh), (true, true, false, .root),
        (true, false, true, .guest), (true, true, true, .guest), (false, true, true, .guest),
    ])
    func roles(_ create: Bool, _ manage: Bool, _ isolated: Bool, _ role: HypervisorIdentity.Role) {
        let bits = (create ? 1 : 0) | (manage ? 1 << 12 : 0) | (isolated ? 1 << 22 : 0) as UInt32
        #expect(identity(privileges: bits)?.role == role)
    }

    @Test func others() throws {
        #expect(identity(present: false) == nil)
        let kvm = try #require(identity(vendor: (0x4B4D_564B, 0x564B_4D56, 0x4D)))
        #expect(kvm.vendor == "KVMKVMKVM")
        #expect(kvm.role == .foreign)
        #expect(kvm.version == nil)
        #expect(kvm.privileges.rawValue == 0)
        #expect(identity(vendor: (1, 2, 3))?.vendor == "?" + "???" + "????" + "?")
        #expect(identity(interface: 0)?.role == .foreign)
        #expect(identity(maximum: 0x4000_0004)?.role == .foreign)
        #expect(identity(maximum: 0x4001_0000)?.role == .foreign)
        #expect(identity(maximum: 0x4000_0005)?.hardware.rawValue == 0)
    }
}
