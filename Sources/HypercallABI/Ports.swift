/// A port's number within its partition (HV_PORT_ID, TLFS, "Inter-Partition Communication"): 24 bits; the upper eight
/// are reserved.
package struct PortID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 0 is no port.
    package var isValid: Bool { rawValue != 0 && rawValue >> 24 == 0 }
}

/// A connection's number within its partition (HV_CONNECTION_ID): as a port's.
package struct ConnectionID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package var isValid: Bool { rawValue != 0 && rawValue >> 24 == 0 }
}

/// HV_PORT_TYPE.
package enum PortType: UInt32, Sendable, CaseIterable {
    case message = 1, event, monitor, doorbell
}

/// Where a port leads (HV_PORT_INFO).
package enum PortInfo: Hashable, Sendable {
    case message(sint: UInt32, vp: VPIndex)
    /// The events from `base` on, `count` of them.
    case event(sint: UInt32, vp: VPIndex, base: UInt16, count: UInt16)
    case monitor(address: UInt64)
    case doorbell(sint: UInt32, vp: VPIndex)

    /// HV_ANY_VP: no processor in particular.
    package static let anyVP: VPIndex = .max

    package var type: PortType {
        switch self {
        case .message: .message
        case .event: .event
        case .monitor: .monitor
        case .doorbell: .doorbell
        }
    }
}

extension PortInfo: HypercallStructure {
    package static let size = 24

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        try bytes.requireZero(UInt32.self, at: 4)
        switch PortType(rawValue: try bytes.read(UInt32.self, at: 0)) {
        case .message:
            self = .message(sint: try bytes.read(UInt32.self, at: 8), vp: try bytes.read(UInt32.self, at: 12))
            try bytes.requireZero(UInt64.self, at: 16)
        case .event:
            self = .event(
                sint: try bytes.read(UInt32.self, at: 8), vp: try bytes.read(UInt32.self, at: 12),
                base: try bytes.read(UInt16.self, at: 16), count: try bytes.read(UInt16.self, at: 18))
            try bytes.requireZero(UInt32.self, at: 20)
        case .monitor:
            self = .monitor(address: try bytes.read(UInt64.self, at: 8))
            try bytes.requireZero(UInt64.self, at: 16)
        case .doorbell:
            self = .doorbell(sint: try bytes.read(UInt32.self, at: 8), vp: try bytes.read(UInt32.self, at: 12))
            try bytes.requireZero(UInt64.self, at: 16)
        case nil: throw HypercallStatus.invalidParameter
        }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(type.rawValue, at: 0)
        switch self {
        case .message(let sint, let vp), .doorbell(let sint, let vp):
            try bytes.write(sint, at: 8)
            try bytes.write(vp, at: 12)
        case .event(let sint, let vp, let base, let count):
            try bytes.write(sint, at: 8)
            try bytes.write(vp, at: 12)
            try bytes.write(base, at: 16)
            try bytes.write(count, at: 18)
        case .monitor(let address): try bytes.write(address, at: 8)
        }
    }
}

/// A guest's write that rings a doorbell.
package struct Doorbell: Hashable, Sendable {
    package var gpa: UInt64
    /// Taken only without `anyValue`.
    package var value: UInt64
    package var flags: DoorbellFlags

    package init(gpa: UInt64, value: UInt64 = 0, flags: DoorbellFlags = []) {
        self.gpa = gpa
        self.value = value
        self.flags = flags
    }

    /// Bytes of the write; nil: any. The flags are known.
    package var writeSize: Int? {
        let size = flags.rawValue & DoorbellFlags.sizeMask.rawValue
        return size == 0 ? nil : 1 << Int(size - 1)
    }
}

/// HV_DOORBELL_FLAG: the size of the write in the three lowest bits.
package struct DoorbellFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let sizeMask = DoorbellFlags(rawValue: 7)
    package static let byte = DoorbellFlags(rawValue: 1)
    package static let word = DoorbellFlags(rawValue: 2)
    package static let dword = DoorbellFlags(rawValue: 3)
    package static let qword = DoorbellFlags(rawValue: 4)
    package static let anyValue = DoorbellFlags(rawValue: 0x8000_0000)

    /// Whether all bits and the size have a meaning.
    package var isKnown: Bool {
        let size = rawValue & Self.sizeMask.rawValue
        return rawValue & ~(Self.sizeMask.rawValue | Self.anyValue.rawValue) == 0 && size <= Self.qword.rawValue
    }
}

/// What a connection is beside its port (HV_CONNECTION_INFO).
package enum ConnectionInfo: Hashable, Sendable {
    case message, event
    case monitor(address: UInt64)
    case doorbell(Doorbell)

    package var type: PortType {
        switch self {
        case .message: .message
        case .event: .event
        case .monitor: .monitor
        case .doorbell: .doorbell
        }
    }
}

extension ConnectionInfo: HypercallStructure {
    package static let size = 32

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        try bytes.requireZero(UInt32.self, at: 4)
        switch PortType(rawValue: try bytes.read(UInt32.self, at: 0)) {
        case .message:
            self = .message
            try bytes.requireZero(UInt64.self, at: 8)
        case .event:
            self = .event
            try bytes.requireZero(UInt64.self, at: 8)
        case .monitor: self = .monitor(address: try bytes.read(UInt64.self, at: 8))
        case .doorbell:
            self = .doorbell(
                Doorbell(
                    gpa: try bytes.read(UInt64.self, at: 8), value: try bytes.read(UInt64.self, at: 16),
                    flags: DoorbellFlags(rawValue: try bytes.read(UInt64.self, at: 24))))
            return
        case nil: throw HypercallStatus.invalidParameter
        }
        try bytes.requireZero(UInt64.self, at: 16)
        try bytes.requireZero(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(type.rawValue, at: 0)
        switch self {
        case .message, .event: break
        case .monitor(let address): try bytes.write(address, at: 8)
        case .doorbell(let doorbell):
            try bytes.write(doorbell.gpa, at: 8)
            try bytes.write(doorbell.value, at: 16)
            try bytes.write(doorbell.flags.rawValue, at: 24)
        }
    }
}
