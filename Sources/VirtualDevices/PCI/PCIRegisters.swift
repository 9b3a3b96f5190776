/// What a function is (PCI Express Base Specification, 7.5.1.1).
package struct PCIIdentity: Equatable, Sendable {
    package var vendor: UInt16
    package var device: UInt16
    package var revision: UInt8
    package var baseClass: UInt8
    package var subclass: UInt8
    package var programmingInterface: UInt8
    package var subsystemVendor: UInt16
    package var subsystem: UInt16

    package init(
        vendor: UInt16, device: UInt16, revision: UInt8 = 0, baseClass: UInt8, subclass: UInt8,
        programmingInterface: UInt8 = 0, subsystemVendor: UInt16 = 0, subsystem: UInt16 = 0
    ) {
        self.vendor = vendor
        self.device = device
        self.revision = revision
        self.baseClass = baseClass
        self.subclass = subclass
        self.programmingInterface = programmingInterface
        self.subsystemVendor = subsystemVendor
        self.subsystem = subsystem
    }
}

/// Offsets in the header of type 0.
package enum PCIRegister {
    package static let vendorID = 0x00
    package static let deviceID = 0x02
    package static let command = 0x04
    package static let status = 0x06
    package static let revisionID = 0x08
    package static let programmingInterface = 0x09
    package static let subclass = 0x0A
    package static let baseClass = 0x0B
    package static let cacheLineSize = 0x0C
    package static let headerType = 0x0E
    package static let subsystemVendorID = 0x2C
    package static let subsystemID = 0x2E
    package static let capabilitiesPointer = 0x34
    package static let interruptLine = 0x3C
    package static func bar(_ index: Int) -> Int { 0x10 + 4 * index }
}

package enum PCICommand {
    package static let portSpace: UInt16 = 1 << 0
    package static let memorySpace: UInt16 = 1 << 1
    package static let busMaster: UInt16 = 1 << 2
    package static let interruptDisable: UInt16 = 1 << 10
    package static let guestBits = portSpace | memorySpace | busMaster | interruptDisable
}

package enum PCIStatus {
    package static let capabilitiesList: UInt16 = 1 << 4
}

/// A range of addresses that a function asks for.
package struct PCIBaseAddressRegister: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case memory32, memory64, port
    }

    /// How many a function can have.
    package static let count = 6

    package var kind: Kind
    /// Bytes, a power of two.
    package var size: UInt64
    /// Whether reads have no side effects, so that the range may lie in a prefetchable window.
    package var isPrefetchable: Bool

    package init(_ kind: Kind, size: UInt64, isPrefetchable: Bool = false) {
        self.kind = kind
        self.size = size
        self.isPrefetchable = isPrefetchable
    }

    var hasUsableSize: Bool {
        let least: UInt64 = kind == .port ? 4 : 16
        let most: UInt64 = kind == .port ? 256 : kind == .memory32 ? 1 << 31 : 1 << 62
        return size.nonzeroBitCount == 1 && size >= least && size <= most
    }

    var typeBits: UInt8 {
        switch kind {
        case .port: 1
        case .memory32: isPrefetchable ? 8 : 0
        case .memory64: isPrefetchable ? 0xC : 4
        }
    }
}

/// Addresses at which a function answers.
package struct PCIDecodedRange: Hashable, Sendable {
    /// The index of the base address register.
    package var bar: Int
    package var base: UInt64
    package var size: UInt64
    package var isPort: Bool
}
