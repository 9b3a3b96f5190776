/// HvCallMapDeviceInterrupt: the input's fixed part. The variable header is the rest of a generic processor set; the
/// specification's structure counts its first word.
package struct MapDeviceInterruptInput: HypercallStructure, Hashable {
    package static let size = 72
    /// HV_OUTPUT_MAP_DEVICE_INTERRUPT: an entry, and five words that mean nothing any more.
    package static let outputSize = 56

    package var partition: PartitionID
    package var device: DeviceID
    package var flags: UInt32
    /// The entry in the table of interrupts where several begin.
    package var baseIndex: UInt32
    /// What the partition believes to have set up, for a device that was attached to it.
    package var logicalEntry: InterruptEntry
    /// HV_INTERRUPT_TYPE.
    package var type: UInt32
    /// HV_INTERRUPT_TRIGGER_MODE: 0 edge, 1 level.
    package var triggerMode: UInt32
    package var vectorCount: UInt32
    package var target: InterruptTarget

    package init(
        partition: PartitionID, device: DeviceID, flags: UInt32 = 0, baseIndex: UInt32 = 0,
        logicalEntry: InterruptEntry = .none, type: UInt32 = 0, triggerMode: UInt32 = 0, vectorCount: UInt32 = 1,
        target: InterruptTarget
    ) {
        self.partition = partition
        self.device = device
        self.flags = flags
        self.baseIndex = baseIndex
        self.logicalEntry = logicalEntry
        self.type = type
        self.triggerMode = triggerMode
        self.vectorCount = vectorCount
        self.target = target
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
        flags = try bytes.read(UInt32.self, at: 16)
        baseIndex = try bytes.read(UInt32.self, at: 20)
        logicalEntry = try InterruptEntry(decoding: bytes.from(24))
        type = try bytes.read(UInt32.self, at: 40)
        triggerMode = try bytes.read(UInt32.self, at: 44)
        vectorCount = try bytes.read(UInt32.self, at: 48)
        try bytes.requireZero(UInt32.self, at: 52)
        target = try InterruptTarget(decoding: bytes.from(56))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
        try bytes.write(flags, at: 16)
        try bytes.write(baseIndex, at: 20)
        try logicalEntry.encode(into: bytes.from(24))
        try bytes.write(type, at: 40)
        try bytes.write(triggerMode, at: 44)
        try bytes.write(vectorCount, at: 48)
        try target.encode(into: bytes.from(56))
    }
}

/// HvCallUnmapDeviceInterrupt: the input.
package struct UnmapDeviceInterruptInput: HypercallStructure, Hashable {
    package static let size = 36

    package var partition: PartitionID
    package var device: DeviceID
    package var entry: InterruptEntry
    package var flags: UInt32

    package init(partition: PartitionID, device: DeviceID, entry: InterruptEntry, flags: UInt32 = 0) {
        self.partition = partition
        self.device = device
        self.entry = entry
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
        entry = try InterruptEntry(decoding: bytes.from(16))
        flags = try bytes.read(UInt32.self, at: 32)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
        try entry.encode(into: bytes.from(16))
        try bytes.write(flags, at: 32)
    }
}

/// HvCallRetargetDeviceInterrupt: the input's fixed part. The variable header is as HvCallMapDeviceInterrupt's.
package struct RetargetInterruptInput: HypercallStructure, Hashable {
    package static let size = 56

    package var partition: PartitionID
    package var device: DeviceID
    package var entry: InterruptEntry
    package var target: InterruptTarget

    package init(partition: PartitionID, device: DeviceID, entry: InterruptEntry, target: InterruptTarget) {
        self.partition = partition
        self.device = device
        self.entry = entry
        self.target = target
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
        entry = try InterruptEntry(decoding: bytes.from(16))
        try bytes.requireZero(UInt64.self, at: 32)
        target = try InterruptTarget(decoding: bytes.from(40))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
        try entry.encode(into: bytes.from(16))
        try target.encode(into: bytes.from(40))
    }
}
