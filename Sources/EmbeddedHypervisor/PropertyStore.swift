import HypercallABI

/// A partition's properties: what they may be, and the values that were set.
struct PropertyStore: Sendable {
    private enum Rule {
        case readOnly(UInt64)
        case writable(ClosedRange<UInt64>, standard: UInt64)
        /// Fixed once the partition is initialized.
        case writableBeforeInitialize(ClosedRange<UInt64>, standard: UInt64)
    }

    /// Only what differs from the standard.
    private var values: [PartitionProperty: UInt64] = [:]
    private let creation: CreatePartitionInput

    init(_ creation: CreatePartitionInput) { self.creation = creation }

    /// - Throws: `unknownProperty`.
    func value(of property: PartitionProperty) throws(HypercallStatus) -> UInt64 {
        switch rule(for: property) {
        case nil: throw HypercallStatus.unknownProperty
        case .readOnly(let value): return value
        case .writable(_, let standard), .writableBeforeInitialize(_, let standard):
            return values[property] ?? standard
        }
    }

    /// - Throws: `unknownProperty`, `accessDenied` for one that is only read, `propertyValueOutOfRange`,
    ///   `invalidPartitionState` for one that is fixed by now.
    mutating func set(
        _ property: PartitionProperty, to value: UInt64, isInitialized: Bool
    ) throws(HypercallStatus) {
        switch rule(for: property) {
        case nil: throw HypercallStatus.unknownProperty
        case .readOnly: throw HypercallStatus.accessDenied
        case .writable(let range, let standard):
            try store(property, value, range, standard)
        case .writableBeforeInitialize(let range, let standard):
            if isInitialized { throw HypercallStatus.invalidPartitionState }
            try store(property, value, range, standard)
        }
    }

    private mutating func store(
        _ property: PartitionProperty, _ value: UInt64, _ range: ClosedRange<UInt64>, _ standard: UInt64
    ) throws(HypercallStatus) {
        guard range.contains(value) else { throw HypercallStatus.propertyValueOutOfRange }
        values[property] = value == standard ? nil : value
    }

    /// The one list of the properties there are. The ranges of processor shares are those of Hyper-V's settings.
    private func rule(for property: PartitionProperty) -> Rule? {
        switch property {
        case .privilegeFlags: .writableBeforeInitialize(0...UInt64.max, standard: 0)
        case .syntheticProcFeatures: .writableBeforeInitialize(0...UInt64.max, standard: 0)
        case .suspend, .timeFreeze: .writable(0...1, standard: 0)
        case .cpuReserve: .writable(0...100_000, standard: 0)
        case .cpuCap: .writable(0...100_000, standard: 100_000)
        case .cpuWeight: .writable(1...10_000, standard: 100)
        case .zeroMemoryOnReset: .writable(0...1, standard: 0)
        case .processorsPerSocket: .writableBeforeInitialize(0...2048, standard: 0)
        case .gpaPageAccessTracking: .writable(0...1, standard: 0)
        case .isolationState: .readOnly(1)  // insecure, clean
        case .isolationPolicy: .readOnly(0)
        case .unimplementedMsrAction: .writable(0...1, standard: 0)
        case .compatibilityVersion: .readOnly(UInt64(creation.compatibilityVersion))
        case .implementedPhysicalAddressBits, .physicalAddressWidth: .readOnly(52)
        case .processorClFlushSize: .readOnly(8)  // in units of 8 bytes
        // What the partition was created without.
        case .processorFeatures0: .readOnly(~creation.disabledFeatures0)
        case .processorFeatures1: .readOnly(~creation.disabledFeatures1)
        case .processorXsaveFeatures: .readOnly(~creation.disabledXsaveFeatures)
        case .guestOsId: .readOnly(0)
        default: nil
        }
    }
}
