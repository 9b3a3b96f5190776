import Glibc
import LinuxSystem

/// A device that a driver of the host's carves out of a physical one (VFIO mdev).
package struct MediatedDevice: Equatable, Sendable {
    /// A UUID.
    package var id: String
    /// The name of what it is carved out of: an address for a PCI function.
    package var parent: String
    /// As its driver names the kind.
    package var type: String
    package var iommuGroup: Int?

    package init(id: String, parent: String, type: String, iommuGroup: Int?) {
        self.id = id
        self.parent = parent
        self.type = type
        self.iommuGroup = iommuGroup
    }
}

/// The devices of the host's that a guest could be given.
package struct HostDevices: Equatable, Sendable {
    /// In ascending order of their addresses.
    package var functions: [PCIFunction]
    /// In ascending order of their ids.
    package var mediated: [MediatedDevice]

    package init(functions: [PCIFunction] = [], mediated: [MediatedDevice] = []) {
        self.functions = functions
        self.mediated = mediated
    }
}

extension HostInventory {
    private static let pci = "/sys/bus/pci/devices"

    /// As they are now. A function that goes away meanwhile is left out.
    package func devices() -> HostDevices {
        var functions = names(Self.pci).compactMap { PCIAddress($0) }.sorted().compactMap(function)
        let words = PCINames(root: root, for: functions.map(\.identity))
        for index in functions.indices { functions[index].names = words.names(of: functions[index].identity) }
        let mediated = names("/sys/bus/mdev/devices").sorted().map { id -> MediatedDevice in
            let folder = "/sys/bus/mdev/devices/\(id)"
            // The device is a folder in that of its parent; the links lead there.
            let parent = target(folder)?.split(separator: "/").dropLast().last.map(String.init)
            let type = name(ofTarget: folder + "/mdev_type")
            return MediatedDevice(
                id: id, parent: parent ?? "unknown", type: type ?? "unknown",
                iommuGroup: name(ofTarget: folder + "/iommu_group").flatMap { Int($0) })
        }
        return HostDevices(functions: functions, mediated: mediated)
    }

    private func function(_ address: PCIAddress) -> PCIFunction? {
        let folder = "\(Self.pci)/\(address)"
        guard let vendor = hexadecimal(folder + "/vendor"), let device = hexadecimal(folder + "/device") else {
            return nil
        }
        var function = PCIFunction(
            address: address,
            identity: PCIFunction.Identity(
                vendor: UInt16(truncatingIfNeeded: vendor), device: UInt16(truncatingIfNeeded: device),
                subsystemVendor: UInt16(truncatingIfNeeded: hexadecimal(folder + "/subsystem_vendor") ?? 0),
                subsystemDevice: UInt16(truncatingIfNeeded: hexadecimal(folder + "/subsystem_device") ?? 0),
                revision: UInt8(truncatingIfNeeded: hexadecimal(folder + "/revision") ?? 0),
                classCode: UInt32(truncatingIfNeeded: hexadecimal(folder + "/class") ?? 0) & 0xFF_FFFF))
        function.driver = name(ofTarget: folder + "/driver")
        function.driverOverride = line(folder + "/driver_override").flatMap { $0 == "(null)" ? nil : $0 }
        function.iommuGroup = iommuGroup(folder)
        // -1 where the firmware does not tell.
        function.numaNode = line(folder + "/numa_node").flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
        function.resetMethods = (line(folder + "/reset_method") ?? "").split(separator: " ").map(String.init)
        if let total = line(folder + "/sriov_totalvfs").flatMap({ Int($0) }), total > 0 {
            function.virtualFunctions = .init(total: total, functions: virtualFunctions(folder))
        }
        function.physicalFunction = name(ofTarget: folder + "/physfn").flatMap { PCIAddress($0) }
        (function.bars, function.romSize) = regions(folder)
        function.capabilities = PCICapabilities(
            configuration: SmallFile.read(root + folder + "/config", limit: 4096) ?? [])
        function.link = link(folder)
        function.networkInterfaces = names(folder + "/net").sorted()
        function.blockDevices = blockDevices(folder)
        return function
    }

    private func iommuGroup(_ folder: String) -> PCIFunction.IOMMUGroup? {
        guard let id = name(ofTarget: folder + "/iommu_group").flatMap({ Int($0) }) else { return nil }
        let members = names("/sys/kernel/iommu_groups/\(id)/devices").compactMap { PCIAddress($0) }
        return .init(id: id, members: members.sorted())
    }

    /// `virtfn0`, `virtfn1`, …: links to the functions, in the order of their numbers.
    private func virtualFunctions(_ folder: String) -> [PCIAddress] {
        let numbers = names(folder).compactMap { $0.hasPrefix("virtfn") ? Int($0.dropFirst(6)) : nil }.sorted()
        return numbers.compactMap { name(ofTarget: "\(folder)/virtfn\($0)").flatMap { PCIAddress($0) } }
    }

    /// The file `resource`: first and last address and flags of each region (linux/ioport.h), the seventh the ROM's.
    private func regions(_ folder: String) -> ([PCIFunction.BAR], UInt64?) {
        var bars: [PCIFunction.BAR] = []
        var rom: UInt64?
        for (index, line) in lines(folder + "/resource").prefix(7).enumerated() {
            let numbers = line.split(separator: " ").compactMap {
                $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : nil
            }
            guard numbers.count == 3, numbers[1] >= numbers[0], numbers[2] & 0x300 != 0 else { continue }
            let size = (numbers[1] - numbers[0]).addingReportingOverflow(1)
            guard !size.overflow else { continue }
            if index == 6 {
                rom = size.partialValue
                continue
            }
            let kind: PCIFunction.BAR.Kind =
                numbers[2] & 0x100 != 0 ? .ports : numbers[2] & 0x10_0000 != 0 ? .memory64 : .memory32
            bars.append(
                .init(index: index, kind: kind, size: size.partialValue, isPrefetchable: numbers[2] & 0x2000 != 0))
        }
        return (bars, rom)
    }

    private func link(_ folder: String) -> PCIFunction.Link? {
        func width(_ name: String) -> Int? {
            line("\(folder)/\(name)").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        }
        guard let speed = line(folder + "/max_link_speed"), speed != "Unknown" else { return nil }
        return .init(
            speed: line(folder + "/current_link_speed").flatMap { $0 == "Unknown" ? nil : $0 },
            width: width("current_link_width"), maximumSpeed: speed, maximumWidth: width("max_link_width"))
    }

    /// The disks that drivers made of it: the block devices whose folders are somewhere below its own.
    private func blockDevices(_ folder: String) -> [String] {
        guard let device = target(folder) else { return [] }
        let address = "/" + (device.split(separator: "/").last ?? "") + "/"
        return names("/sys/block").filter { target("/sys/block/\($0)")?.contains(address) == true }.sorted()
    }

    // MARK: Files and links

    private func names(_ path: String) -> [String] { (try? DirectoryNames.list(root + path)) ?? [] }

    /// `0x8086`
    private func hexadecimal(_ path: String) -> UInt64? {
        line(path).flatMap { $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : nil }
    }

    /// Where a link leads, as it is written.
    private func target(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(root + path, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func name(ofTarget path: String) -> String? {
        target(path)?.split(separator: "/").last.map(String.init)
    }
}
