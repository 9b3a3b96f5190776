/// A PCI function of the host, as its kernel and its configuration space tell of it.
package struct PCIFunction: Equatable, Sendable {
    /// What says which device it is (PCI Local Bus 3.0, 6.2.1).
    package struct Identity: Equatable, Sendable {
        package var vendor: UInt16
        package var device: UInt16
        package var subsystemVendor: UInt16
        package var subsystemDevice: UInt16
        package var revision: UInt8
        /// Base class, sub-class and programming interface, 24 bits.
        package var classCode: UInt32

        package init(
            vendor: UInt16, device: UInt16, subsystemVendor: UInt16 = 0, subsystemDevice: UInt16 = 0,
            revision: UInt8 = 0, classCode: UInt32 = 0
        ) {
            self.vendor = vendor
            self.device = device
            self.subsystemVendor = subsystemVendor
            self.subsystemDevice = subsystemDevice
            self.revision = revision
            self.classCode = classCode
        }
    }

    /// The identity in words, from the host's pci.ids; nil where that does not know it.
    package struct Names: Equatable, Sendable {
        package var vendor: String?
        package var device: String?
        package var deviceClass: String?

        package init(vendor: String? = nil, device: String? = nil, deviceClass: String? = nil) {
            self.vendor = vendor
            self.device = device
            self.deviceClass = deviceClass
        }
    }

    /// A region of addresses that the function answers at.
    package struct BAR: Equatable, Sendable {
        package enum Kind: String, CaseIterable, Sendable { case ports, memory32, memory64 }

        /// Of the register: 0 to 5.
        package var index: Int
        package var kind: Kind
        /// Bytes.
        package var size: UInt64
        package var isPrefetchable: Bool

        package init(index: Int, kind: Kind, size: UInt64, isPrefetchable: Bool) {
            self.index = index
            self.kind = kind
            self.size = size
            self.isPrefetchable = isPrefetchable
        }
    }

    /// A PCI Express link, as the kernel words it ("8.0 GT/s PCIe").
    package struct Link: Equatable, Sendable {
        package var speed: String?
        package var width: Int?
        package var maximumSpeed: String?
        package var maximumWidth: Int?

        package init(speed: String?, width: Int?, maximumSpeed: String?, maximumWidth: Int?) {
            self.speed = speed
            self.width = width
            self.maximumSpeed = maximumSpeed
            self.maximumWidth = maximumWidth
        }
    }

    /// What a physical function of SR-IOV has.
    package struct VirtualFunctions: Equatable, Sendable {
        /// As many as there can be.
        package var total: Int
        package var functions: [PCIAddress]

        package init(total: Int, functions: [PCIAddress]) {
            self.total = total
            self.functions = functions
        }
    }

    package struct IOMMUGroup: Equatable, Sendable {
        package var id: Int
        /// All functions in it, this one too, in ascending order: only together can they be given away.
        package var members: [PCIAddress]

        package init(id: Int, members: [PCIAddress]) {
            self.id = id
            self.members = members
        }
    }

    package var address: PCIAddress
    package var identity: Identity
    package var names = Names()
    /// Nil: no driver has it.
    package var driver: String?
    /// The only driver that may have it; nil: whichever knows it.
    package var driverOverride: String?
    /// Nil: there is no IOMMU before it.
    package var iommuGroup: IOMMUGroup?
    /// Nil: the host has one node, or does not tell.
    package var numaNode: Int?
    /// How the kernel can reset it alone, the best way first; empty: it can't.
    package var resetMethods: [String] = []
    /// Nil: it is no physical function of SR-IOV.
    package var virtualFunctions: VirtualFunctions?
    /// Nil: it is no virtual function.
    package var physicalFunction: PCIAddress?
    package var bars: [BAR] = []
    /// Bytes of the expansion ROM; nil: there is none.
    package var romSize: UInt64?
    package var capabilities = PCICapabilities()
    package var link: Link?
    /// Names of what the host's drivers made of it.
    package var networkInterfaces: [String] = []
    package var blockDevices: [String] = []

    package init(address: PCIAddress, identity: Identity) {
        self.address = address
        self.identity = identity
    }

    /// Base class 06h, sub-classes 00h to 0Ah but for the "other" ones: what belongs to the host's own topology.
    package var isBridge: Bool { identity.classCode >> 16 == 0x06 }
}

/// What a hypervisor needs to know of the capability list (PCI Local Bus 3.0, 6.7 and 6.8; PCI Express 5.0, 7.5.3).
package struct PCICapabilities: Equatable, Sendable {
    /// Vectors of MSI: 0 to 32.
    package var msiVectors = 0
    /// Vectors of MSI-X: 0 to 2048.
    package var msixVectors = 0
    package var isExpress = false
    /// Function level reset.
    package var canResetFunction = false

    package init() {}

    /// Reads the standard list, as far as `space` reaches: without privileges the kernel gives 64 bytes of it.
    package init(configuration space: [UInt8]) {
        func half(_ offset: Int) -> Int {
            offset + 1 < space.count ? Int(space[offset]) | Int(space[offset + 1]) << 8 : 0
        }
        guard space.count > 0x34, half(0x06) & 1 << 4 != 0 else { return }
        var next = Int(space[0x34]) & 0xFC
        // As many as fit: a list of a device may lead in a circle.
        for _ in 0..<48 where next >= 0x40 && next + 1 < space.count {
            switch space[next] {
            case 0x05: msiVectors = min(1 << (half(next + 2) >> 1 & 7), 32)
            case 0x11: msixVectors = next + 3 < space.count ? half(next + 2) & 0x7FF + 1 : 0
            case 0x10:
                isExpress = true
                canResetFunction = half(next + 6) & 1 << 12 != 0
            default: break
            }
            next = Int(space[next + 1]) & 0xFC
        }
    }
}
