/// The common configuration structure (virtio 1.2, 4.1.4.3): fields by offset, read and written whole, and the 64-bit
/// addresses in halves too.
enum VirtioCommonField {
    static let size = 56

    case deviceFeatureSelect, deviceFeature, driverFeatureSelect, driverFeature
    case configurationVector, queueCount, status, configurationGeneration
    case queueSelect, queueSize, queueVector, queueEnable, queueNotifyOffset
    /// An address of the selected queue: which, and which half.
    case queueAddress(Area, isHigh: Bool)

    enum Area {
        case descriptors, driver, device
    }

    /// - Returns: nil for what is no field, or not of that size.
    init?(offset: UInt64, size: Int) {
        switch (offset, size) {
        case (0x00, 4): self = .deviceFeatureSelect
        case (0x04, 4): self = .deviceFeature
        case (0x08, 4): self = .driverFeatureSelect
        case (0x0C, 4): self = .driverFeature
        case (0x10, 2): self = .configurationVector
        case (0x12, 2): self = .queueCount
        case (0x14, 1): self = .status
        case (0x15, 1): self = .configurationGeneration
        case (0x16, 2): self = .queueSelect
        case (0x18, 2): self = .queueSize
        case (0x1A, 2): self = .queueVector
        case (0x1C, 2): self = .queueEnable
        case (0x1E, 2): self = .queueNotifyOffset
        case (0x20, 4): self = .queueAddress(.descriptors, isHigh: false)
        case (0x24, 4): self = .queueAddress(.descriptors, isHigh: true)
        case (0x28, 4): self = .queueAddress(.driver, isHigh: false)
        case (0x2C, 4): self = .queueAddress(.driver, isHigh: true)
        case (0x30, 4): self = .queueAddress(.device, isHigh: false)
        case (0x34, 4): self = .queueAddress(.device, isHigh: true)
        default: return nil
        }
    }
}

extension VirtioTransportState {
    /// - Parameter offered: the device's features.
    func read(_ field: VirtioCommonField, offered: UInt64) -> UInt64 {
        func half(_ features: UInt64, _ select: UInt32) -> UInt64 {
            select < 2 ? features >> (32 * UInt64(select)) & 0xFFFF_FFFF : 0
        }
        switch field {
        case .deviceFeatureSelect: return UInt64(deviceFeatureSelect)
        case .deviceFeature: return half(offered, deviceFeatureSelect)
        case .driverFeatureSelect: return UInt64(driverFeatureSelect)
        case .driverFeature: return half(driverFeatures, driverFeatureSelect)
        case .configurationVector: return UInt64(configurationVector)
        case .queueCount: return UInt64(queues.count)
        case .status: return UInt64(status)
        case .configurationGeneration: return UInt64(configurationGeneration)
        case .queueSelect: return UInt64(queueSelect)
        // A queue that is not there has no size and no enabling.
        case .queueSize: return selected.map { UInt64(queues[$0].layout.size) } ?? 0
        case .queueVector: return UInt64(selected.map { queues[$0].vector } ?? Self.noVector)
        case .queueEnable: return selected.map { queues[$0].isEnabled ? 1 : 0 } ?? 0
        case .queueNotifyOffset: return UInt64(queueSelect)
        case .queueAddress(let area, let isHigh):
            guard let selected else { return 0 }
            let address = queues[selected].layout[area]
            return isHigh ? address >> 32 : address & 0xFFFF_FFFF
        }
    }

    /// Everything but the status, which needs the device.
    ///
    /// - Parameters:
    ///   - vectors: how many MSI-X vectors there are.
    ///   - limits: the most elements of each queue.
    mutating func write(_ field: VirtioCommonField, _ value: UInt64, vectors: Int, limits: [UInt16]) {
        let word = UInt32(truncatingIfNeeded: value)
        let short = UInt16(truncatingIfNeeded: value)
        switch field {
        case .deviceFeatureSelect: deviceFeatureSelect = word
        case .driverFeatureSelect: driverFeatureSelect = word
        case .driverFeature:
            // Fixed once both sides have agreed (virtio 1.2, 3.1.1).
            guard driverFeatureSelect < 2, status & VirtioStatus.featuresOK == 0 else { return }
            let shift = 32 * UInt64(driverFeatureSelect)
            driverFeatures = driverFeatures & ~(0xFFFF_FFFF << shift) | UInt64(word) << shift
        case .configurationVector: configurationVector = Int(short) < vectors ? short : Self.noVector
        case .queueSelect: queueSelect = short
        case .deviceFeature, .queueCount, .status, .configurationGeneration, .queueNotifyOffset: return
        case .queueVector:
            guard let selected else { return }
            queues[selected].vector = Int(short) < vectors ? short : Self.noVector
        case .queueSize, .queueEnable, .queueAddress: writeQueue(field, value, limits)
        }
    }

    /// A queue's place and size can change only before it is enabled.
    private mutating func writeQueue(_ field: VirtioCommonField, _ value: UInt64, _ limits: [UInt16]) {
        guard let selected, !queues[selected].isEnabled else { return }
        switch field {
        case .queueSize:
            let size = UInt16(truncatingIfNeeded: value)
            if size > 0, size <= limits[selected] { queues[selected].layout.size = size }
        case .queueEnable:
            if value == 1 { queues[selected].isEnabled = true }
        case .queueAddress(let area, let isHigh):
            let old = queues[selected].layout[area]
            let half = value & 0xFFFF_FFFF
            queues[selected].layout[area] =
                isHigh ? old & 0xFFFF_FFFF | half << 32 : old & ~0xFFFF_FFFF | half
        default: return
        }
    }
}

extension VirtQueueLayout {
    fileprivate subscript(area: VirtioCommonField.Area) -> UInt64 {
        get {
            switch area {
            case .descriptors: descriptors
            case .driver: driver
            case .device: device
            }
        }
        set {
            switch area {
            case .descriptors: descriptors = newValue
            case .driver: driver = newValue
            case .device: device = newValue
            }
        }
    }
}
