import CLinux
import Glibc
import GuestMemory
import LinuxSystem

/// The kernel's side of a virtio device whose queues it serves by itself (Linux's vhost): everything that such devices
/// have in common. For one thread at a time.
package final class VhostDevice: Sendable {
    /// Features that are vhost's own, not a driver's.
    package enum Feature {
        /// The kernel makes the header of packets, which a tap otherwise does.
        static let netHeader: UInt64 = 1 << 27
        /// Says what it writes.
        static let logAll: UInt64 = 1 << 26
    }

    /// Where the kernel finds a queue's parts, and whom it tells of what it did.
    package struct Ring {
        package var size: UInt16
        /// The next element of the available ring.
        package var base: UInt16
        /// In this process: the descriptors, the driver's area and the device's.
        package var descriptors: UnsafeMutableRawPointer
        package var available: UnsafeMutableRawPointer
        package var used: UnsafeMutableRawPointer
        /// The driver made something available.
        package var kick: EventFD
        /// An interrupt for the driver; nil: it wants none.
        package var call: EventFD?
        /// The driver broke a rule; nil: nobody wants to know.
        package var error: EventFD?

        package init(
            size: UInt16, base: UInt16, descriptors: UnsafeMutableRawPointer, available: UnsafeMutableRawPointer,
            used: UnsafeMutableRawPointer, kick: EventFD, call: EventFD?, error: EventFD?
        ) {
            self.size = size
            self.base = base
            self.descriptors = descriptors
            self.available = available
            self.used = used
            self.kick = kick
            self.call = call
            self.error = error
        }
    }

    package static let netPath = "/dev/vhost-net"
    package static let vsockPath = "/dev/vhost-vsock"

    private let file: FileDescriptor
    /// What the kernel can do for a driver.
    package let features: UInt64

    /// - Throws: `Errno` where there is no such device, or this process may not have it.
    package init(_ path: String) throws(Errno) {
        file = try FileDescriptor(opening: path, O_RDWR)
        let number = file.raw
        try retryingInterrupts { hv_vhost_set_owner(number) }
        var features: UInt64 = 0
        try retryingInterrupts { hv_vhost_get_features(number, &features) }
        self.features = features & ~(Feature.netHeader | Feature.logAll)
    }

    /// Whether this process may have one.
    package static func isThere(_ path: String) -> Bool { access(path, R_OK | W_OK) == 0 }

    /// What the driver negotiated, without what the kernel need not know.
    package func setFeatures(_ negotiated: UInt64) throws(Errno) {
        let number = file.raw
        try retryingInterrupts { hv_vhost_set_features(number, negotiated & features) }
    }

    /// Says where the guest's memory is, as it is now.
    ///
    /// - Throws: `Errno`, also where the memory has more parts than the kernel takes (64, where nobody changed that).
    package func setMemory(_ memory: GuestMemory) throws(Errno) {
        let regions = memory.populated.map {
            hv_vhost_region(
                guest_phys_addr: $0.gpa, memory_size: UInt64($0.count),
                userspace_addr: UInt64(UInt(bitPattern: $0.hostBase)), flags_padding: 0)
        }
        let number = file.raw
        try retryingInterrupts { hv_vhost_set_memory(number, regions, UInt32(regions.count)) }
    }

    /// Says where a queue is. The kernel serves it when the device begins.
    package func set(_ ring: Ring, at index: UInt32) throws(Errno) {
        func address(_ pointer: UnsafeMutableRawPointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }
        let number = file.raw
        var addresses = hv_vhost_addresses()
        addresses.index = index
        addresses.desc_user_addr = address(ring.descriptors)
        addresses.avail_user_addr = address(ring.available)
        addresses.used_user_addr = address(ring.used)
        try retryingInterrupts { hv_vhost_set_size(number, index, UInt32(ring.size)) }
        try retryingInterrupts { hv_vhost_set_base(number, index, UInt32(ring.base)) }
        try retryingInterrupts { hv_vhost_set_addresses(number, &addresses) }
        try retryingInterrupts { hv_vhost_set_call(number, index, ring.call?.raw ?? -1) }
        try retryingInterrupts { hv_vhost_set_error(number, index, ring.error?.raw ?? -1) }
        try retryingInterrupts { hv_vhost_set_kick(number, index, ring.kick.raw) }
    }

    /// Where the kernel has come to in a queue that it serves no more.
    package func base(of index: UInt32) throws(Errno) -> UInt16 {
        let number = file.raw
        return UInt16(truncatingIfNeeded: try retryingInterrupts { hv_vhost_get_base(number, index) })
    }

    /// vhost-net: the queue's packets go to and come from the tap from now on; nil: nowhere, and nothing of the queue is
    /// touched any more when this returns.
    package func setTap(_ tap: Int32?, of index: UInt32) throws(Errno) {
        let number = file.raw
        try retryingInterrupts { hv_vhost_net_set_backend(number, index, tap ?? -1) }
    }

    /// vhost-vsock: the guest's context identifier; `EADDRINUSE` where another guest of the host has it.
    package func setGuestCID(_ cid: UInt64) throws(Errno) {
        let number = file.raw
        try retryingInterrupts { hv_vhost_vsock_set_cid(number, cid) }
    }

    /// vhost-vsock: all queues are served, or none any more.
    package func setRunning(_ running: Bool) throws(Errno) {
        let number = file.raw
        try retryingInterrupts { hv_vhost_vsock_set_running(number, running ? 1 : 0) }
    }
}
