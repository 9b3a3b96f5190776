/// A property of the machine as a whole (HV_SYSTEM_PROPERTY). Unknown codes survive a round trip.
package struct SystemProperty: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// How the machine sleeps; it is only set.
    package static let sleepState = SystemProperty(rawValue: 0x3)
    package static let schedulerType = SystemProperty(rawValue: 0xF)
    /// A number about the processors that the argument names.
    package static let dynamicProcessorFeature = SystemProperty(rawValue: 0x15)
    /// Where the hypervisor leaves what it has to say when the root crashes.
    package static let crashDumpArea = SystemProperty(rawValue: 0x2F)
}

/// Who decides when a virtual processor runs (HV_SCHEDULER_TYPE).
package enum SchedulerType: UInt64, Sendable {
    case classic = 1, classicSMT, core, root
}

/// The arguments of `SystemProperty.dynamicProcessorFeature` (HV_DYNAMIC_PROCESSOR_FEATURE_PROPERTY).
package enum DynamicProcessorFeature: UInt32, Sendable {
    case maximumEncryptedPartitions = 0xD
    case snpStatus = 0x10
}

/// HvCallGetSystemProperty: the input. The output is 64 bits; a scheduler type is in the lower half.
package struct GetSystemPropertyInput: HypercallStructure, Hashable {
    package static let size = 8
    package static let outputSize = 8

    package var property: SystemProperty
    package var argument: UInt32

    package init(property: SystemProperty, argument: UInt32 = 0) {
        self.property = property
        self.argument = argument
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        property = SystemProperty(rawValue: try bytes.read(UInt32.self, at: 0))
        argument = try bytes.read(UInt32.self, at: 4)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(property.rawValue, at: 0)
        try bytes.write(argument, at: 4)
    }
}

/// How the machine is put to sleep (HV_SLEEP_STATE_INFO).
package struct SleepStateInfo: Hashable, Sendable {
    /// HV_SLEEP_STATE: 1 to 5 are ACPI's S1 to S5; 6 is the end of such settings.
    package var state: UInt32
    /// What ACPI says to write to the two power management registers.
    package var pm1a: UInt8
    package var pm1b: UInt8

    /// HV_SLEEP_STATE_LOCK.
    package static let lock: UInt32 = 6

    package init(state: UInt32, pm1a: UInt8 = 0, pm1b: UInt8 = 0) {
        self.state = state
        self.pm1a = pm1a
        self.pm1b = pm1b
    }
}

/// HvCallSetSystemProperty: the input. Sleep states are the only property that can be set; for any other the bytes
/// behind the code are not looked at.
package struct SetSystemPropertyInput: HypercallStructure, Hashable {
    package static let size = 72

    package var property: SystemProperty
    package var sleep: SleepStateInfo

    package init(property: SystemProperty, sleep: SleepStateInfo) {
        self.property = property
        self.sleep = sleep
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        property = SystemProperty(rawValue: try bytes.read(UInt32.self, at: 0))
        try bytes.requireZero(UInt32.self, at: 4)
        sleep = SleepStateInfo(
            state: try bytes.read(UInt32.self, at: 8), pm1a: try bytes.read(UInt8.self, at: 12),
            pm1b: try bytes.read(UInt8.self, at: 13))
        guard property == .sleepState else { return }
        try bytes.requireZero(UInt16.self, at: 14)
        for offset in stride(from: 16, to: Self.size, by: 8) { try bytes.requireZero(UInt64.self, at: offset) }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(property.rawValue, at: 0)
        try bytes.write(sleep.state, at: 8)
        try bytes.write(sleep.pm1a, at: 12)
        try bytes.write(sleep.pm1b, at: 13)
    }
}

/// What happened to the calling partition (HV_PARTITION_EVENT). Unknown events survive a round trip.
package struct PartitionEvent: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The root crashes; the argument says how far it is (HV_CRASHDUMP_ACTION, 0 to 4).
    package static let rootCrashDump = PartitionEvent(rawValue: 2)
    package static let allLogicalProcessorsStarted = PartitionEvent(rawValue: 4)
}

/// The steps of `PartitionEvent.rootCrashDump`.
package enum CrashDumpAction: UInt32, Sendable, CaseIterable {
    case none = 0, suspendAllVPs, prepareForStateSave, stateSaved, entry
}

/// HvCallNotifyPartitionEvent: the input.
package struct NotifyPartitionEventInput: HypercallStructure, Hashable {
    package static let size = 8

    package var event: PartitionEvent
    package var argument: UInt32

    package init(event: PartitionEvent, argument: UInt32 = 0) {
        self.event = event
        self.argument = argument
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        event = PartitionEvent(rawValue: try bytes.read(UInt32.self, at: 0))
        argument = try bytes.read(UInt32.self, at: 4)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(event.rawValue, at: 0)
        try bytes.write(argument, at: 4)
    }
}

/// HvCallGetNextChildPartition: the input. The output is a `PartitionIDField`.
package struct NextChildPartitionInput: HypercallStructure, Hashable {
    package static let size = 16

    package var parent: PartitionID
    /// `PartitionID.invalid` for the first child.
    package var previous: PartitionID

    package init(parent: PartitionID, previous: PartitionID = .invalid) {
        self.parent = parent
        self.previous = previous
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        parent = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        previous = PartitionID(rawValue: try bytes.read(UInt64.self, at: 8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(parent.rawValue, at: 0)
        try bytes.write(previous.rawValue, at: 8)
    }
}

/// The input of a call that has none.
package struct NoInput: HypercallStructure, Hashable {
    package static let size = 0

    package init() {}
    package init(decoding bytes: ByteReader) throws(HypercallStatus) {}
    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {}
}
