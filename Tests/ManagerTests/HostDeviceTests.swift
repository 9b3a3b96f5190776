import Glibc
import LinuxSystem
import PartitionManager
import Testing

@testable import HostInventory

/// The inventory of devices, on trees that look like `/sys`.
@Suite struct HostDeviceTests {
    private let root = TemporaryDirectory()
    private static let card = "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0"

    private func put(_ path: String, _ bytes: [UInt8]) throws {
        let whole = root.path + path
        try DirectoryTree.create(String(whole[..<(whole.lastIndex(of: "/") ?? whole.endIndex)]))
        let file = try FileDescriptor(opening: whole, O_WRONLY | O_CREAT | O_TRUNC)
        try file.writeAll(bytes)
    }

    private func put(_ path: String, _ text: String) throws { try put(path, Array((text + "\n").utf8)) }

    private func link(_ path: String, to target: String) throws {
        let whole = root.path + path
        try DirectoryTree.create(String(whole[..<(whole.lastIndex(of: "/") ?? whole.endIndex)]))
        try #require(symlink(target, whole) == 0)
    }

    /// A function with what every function has.
    private func function(_ folder: String, _ vendor: String, _ device: String, _ classCode: String) throws {
        let address = folder.split(separator: "/").last.map(String.init) ?? ""
        for (name, text) in [
            ("vendor", "0x\(vendor)"), ("device", "0x\(device)"), ("class", "0x\(classCode)"), ("revision", "0x01"),
            ("subsystem_vendor", "0x1028"), ("subsystem_device", "0x0000"), ("numa_node", "-1"),
            ("driver_override", "(null)"), ("resource", ""),
        ] { try put("\(folder)/\(name)", text) }
        try link("/sys/bus/pci/devices/\(address)", to: "../../.." + folder.dropFirst(4))
    }

    /// A configuration space with MSI of 4 vectors, MSI-X of 129, and PCI Express with function level reset.
    private static var configuration: [UInt8] {
        var space = [UInt8](repeating: 0, count: 256)
        space[0x06] = 0x10
        space[0x34] = 0x40
        space.replaceSubrange(0x40..<0x44, with: [0x05, 0x50, 0x84, 0x00])
        space.replaceSubrange(0x50..<0x54, with: [0x11, 0x70, 0x80, 0x80])
        space.replaceSubrange(0x70..<0x78, with: [0x10, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x10])
        return space
    }

    @Test func aCardWithItsVirtualFunctions() throws {
        try function("/sys/devices/pci0000:3a/0000:3a:00.0", "8086", "2030", "060400")
        try function(Self.card, "8086", "1572", "020000")
        try put(Self.card + "/config", Self.configuration)
        try put(
            Self.card + "/resource",
            """
            0x00000000fe000000 0x00000000fe7fffff 0x000000000014220c
            0x0000000000000000 0x0000000000000000 0x0000000000000000
            0x000000000000e000 0x000000000000e01f 0x0000000000040101
            0x00000000fe800000 0x00000000fe807fff 0x0000000000040200
            0x0000000000000000 0x0000000000000000 0x0000000000000000
            0x0000000000000000 0x0000000000000000 0x0000000000000000
            0x00000000fe900000 0x00000000fe97ffff 0x0000000000046200
            0x00000000ff000000 0x00000000ff00ffff 0x000000000014220c
            """)
        for (name, text) in [
            ("numa_node", "1"), ("reset_method", "flr bus"), ("sriov_totalvfs", "64"), ("sriov_numvfs", "2"),
            ("current_link_speed", "5.0 GT/s PCIe"), ("current_link_width", "4"), ("max_link_speed", "8.0 GT/s PCIe"),
            ("max_link_width", "8"), ("net/eth0/address", "00:00:00:00:00:01"),
        ] { try put("\(Self.card)/\(name)", text) }
        try link(Self.card + "/driver", to: "../../../../bus/pci/drivers/i40e")
        try link(Self.card + "/iommu_group", to: "../../../../kernel/iommu_groups/12")
        try put("/sys/kernel/iommu_groups/12/devices/0000:3b:00.0/x", "")
        for number in 0..<2 {
            let folder = "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:02.\(number)"
            try function(folder, "8086", "154c", "020000")
            try link(folder + "/physfn", to: "../0000:3b:00.0")
            try link("\(Self.card)/virtfn\(number)", to: "../0000:3b:02.\(number)")
        }
        try put(
            "/usr/share/misc/pci.ids",
            "# a list\n8086  Intel Corporation\n\t1572  Ethernet Controller X710\n\t\t1028 0000  Its subsystem\n"
                + "10de  Another\n\t1572  Not this\nC 02  Network controller\n\t00  Ethernet controller\n\t\t00  x\n")

        let devices = HostInventory(root: root.path).devices()
        #expect(
            devices.functions.map(\.address.description)
                == ["0000:3a:00.0", "0000:3b:00.0", "0000:3b:02.0", "0000:3b:02.1"])
        #expect(devices.functions.map(\.isBridge) == [true, false, false, false])
        let card = devices.functions[1]
        var expected = PCIFunction(
            address: card.address,
            identity: .init(
                vendor: 0x8086, device: 0x1572, subsystemVendor: 0x1028, revision: 1, classCode: 0x020000))
        expected.names = .init(
            vendor: "Intel Corporation", device: "Ethernet Controller X710", deviceClass: "Ethernet controller")
        expected.driver = "i40e"
        expected.iommuGroup = .init(id: 12, members: [card.address])
        expected.numaNode = 1
        expected.resetMethods = ["flr", "bus"]
        expected.virtualFunctions = .init(total: 64, functions: devices.functions[2...].map(\.address))
        expected.bars = [
            .init(index: 0, kind: .memory64, size: 8 << 20, isPrefetchable: true),
            .init(index: 2, kind: .ports, size: 32, isPrefetchable: false),
            .init(index: 3, kind: .memory32, size: 32 << 10, isPrefetchable: false),
        ]
        expected.romSize = 512 << 10
        expected.capabilities.msiVectors = 4
        expected.capabilities.msixVectors = 129
        expected.capabilities.isExpress = true
        expected.capabilities.canResetFunction = true
        expected.link = .init(speed: "5.0 GT/s PCIe", width: 4, maximumSpeed: "8.0 GT/s PCIe", maximumWidth: 8)
        expected.networkInterfaces = ["eth0"]
        #expect(card == expected)
        for virtual in devices.functions[2...] {
            #expect(virtual.physicalFunction == card.address && virtual.virtualFunctions == nil)
            #expect(virtual.names.vendor == "Intel Corporation" && virtual.names.device == nil)
            #expect(virtual.numaNode == nil && virtual.driver == nil && virtual.driverOverride == nil)
        }
    }

    @Test func disksAndMediatedDevices() throws {
        let disk = "/sys/devices/pci0000:00/0000:00:04.0"
        try function(disk, "144d", "a808", "010802")
        try put(disk + "/nvme/nvme0/nvme0n1/size", "1")
        try link("/sys/block/nvme0n1", to: "../devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1")
        try link("/sys/block/sda", to: "../devices/pci0000:00/0000:00:05.0/ata1/host0/block/sda")
        let id = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
        try put("\(disk)/\(id)/remove", "")
        try link("/sys/bus/mdev/devices/\(id)", to: "../../../devices/pci0000:00/0000:00:04.0/\(id)")
        try link("\(disk)/\(id)/mdev_type", to: "../mdev_supported_types/vendor-4")
        try link("\(disk)/\(id)/iommu_group", to: "../../../../kernel/iommu_groups/30")
        let devices = HostInventory(root: root.path).devices()
        #expect(devices.functions.map(\.blockDevices) == [["nvme0n1"]])
        #expect(
            devices.mediated == [MediatedDevice(id: id, parent: "0000:00:04.0", type: "vendor-4", iommuGroup: 30)])
    }

    @Test func aTreeOfNothingHasNone() {
        #expect(HostInventory(root: root.path).devices() == HostDevices())
    }

    /// What a device or a kernel may say that makes no sense.
    @Test func strangeFilesAreNoTrap() throws {
        let folder = "/sys/devices/pci0000:00/0000:00:01.0"
        try function(folder, "8086", "100e", "020000")
        try put(
            folder + "/resource",
            """
            0x0000000000000000 0xffffffffffffffff 0x0000000000040200
            0x0000000000000010 0x0000000000000001 0x0000000000040200
            what is this
            0x1 0x2
            """)
        for (name, text) in [
            ("numa_node", "many"), ("sriov_totalvfs", "-3"), ("max_link_speed", "Unknown"), ("class", "0xffffffffffff"),
        ] { try put("\(folder)/\(name)", text) }
        try link(folder + "/iommu_group", to: "../none")
        try link("/sys/bus/pci/devices/not-an-address", to: "../../../devices/x")
        let function = try #require(HostInventory(root: root.path).devices().functions.first)
        #expect(function.bars.isEmpty && function.numaNode == nil && function.virtualFunctions == nil)
        #expect(function.link == nil && function.iommuGroup == nil && function.identity.classCode == 0xFF_FFFF)
    }

    @Test func capabilityListsThatLeadNowhere() {
        // In a circle, before the list's place, behind the end, and cut off in the middle.
        var circle = Self.configuration
        circle[0x71] = 0x40
        #expect(PCICapabilities(configuration: circle).msixVectors == 129)
        var early = Self.configuration
        early[0x34] = 0x04
        #expect(PCICapabilities(configuration: early) == PCICapabilities())
        var late = Self.configuration
        late[0x41] = 0xFC
        #expect(PCICapabilities(configuration: late).msiVectors == 4)
        for count in 0..<256 { _ = PCICapabilities(configuration: Array(Self.configuration.prefix(count))) }
        // What an ordinary user may read of it.
        #expect(PCICapabilities(configuration: Array(Self.configuration.prefix(64))) == PCICapabilities())
    }

    @Test(arguments: [
        ("0000:3b:00.0", true), ("10000:e1:1f.7", true), ("0000:3b:20.0", false), ("0000:3b:00.8", false),
        ("000:3b:00.0", false), ("0000:3B:00.0", false), ("0000:3b:00", false), ("", false), ("0000:3b:0.0", false),
        ("00000:3b:00.0", false),
    ]) func addressesHaveOneForm(text: String, isOne: Bool) {
        #expect((PCIAddress(text)?.description == text) == isOne)
    }

    @Test func thisMachine() {
        let devices = HostInventory().devices()
        #expect(devices.functions == devices.functions.sorted { $0.address < $1.address })
    }
}
