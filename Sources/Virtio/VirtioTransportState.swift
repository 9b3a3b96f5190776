import VirtualDevices

/// What a driver negotiated with a device over virtio-pci: with the queues' positions, all that has to be saved.
package struct VirtioTransportState: Equatable, Sendable {
    package struct Queue: Equatable, Sendable {
        package var layout: VirtQueueLayout
        package var isEnabled = false
        /// The MSI-X vector, `noVector` for none.
        package var vector = VirtioTransportState.noVector
    }

    /// VIRTIO_MSI_NO_VECTOR.
    package static let noVector: UInt16 = 0xFFFF

    package var deviceFeatureSelect: UInt32 = 0
    package var driverFeatureSelect: UInt32 = 0
    package var driverFeatures: UInt64 = 0
    package var configurationVector = noVector
    package var status: UInt8 = 0
    package var configurationGeneration: UInt8 = 0
    package var queueSelect: UInt16 = 0
    package var queues: [Queue]
    /// The ISR status: bit 0 a queue, bit 1 the configuration.
    package var interruptStatus: UInt8 = 0

    init(queueSizes: [UInt16]) {
        queues = queueSizes.map { size in
            Queue(layout: VirtQueueLayout(size: size, descriptors: 0, driver: 0, device: 0))
        }
    }

    var isRunning: Bool { status & VirtioStatus.driverOK != 0 }

    /// The queue that the driver selected; nil where there is none of that number.
    var selected: Int? { Int(queueSelect) < queues.count ? Int(queueSelect) : nil }
}

/// What is saved of a virtio device's place on PCI.
package struct VirtioPCIState: Equatable, Sendable {
    package var transport: VirtioTransportState
    package var msix: MSIX.State
}
