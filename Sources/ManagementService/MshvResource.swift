import DeviceSources
import HostInventory

/// What the machine offers of the Microsoft hypervisor, as `GET /v1/host` shows it.
package struct MshvResource: Sendable, Equatable {
    /// CPUID's name of what runs below the operating system; nil on bare hardware.
    package var vendor: String?
    /// `root`, `l1vh`, `guest`, `foreign` or `none`.
    package var role: String
    package var version: String?
    package var isNested: Bool
    package var maximumVPs: UInt32?
    /// `missing`, `inaccessible` or `usable`.
    package var device: String
    /// Why the device is inaccessible.
    package var deviceDetail: String?
    /// `first`, `later` or `unknown`.
    package var driver: String
    /// The driver's words, or `unknown`.
    package var scheduler: String

    package init(
        vendor: String? = nil, role: String = "none", version: String? = nil, isNested: Bool = false,
        maximumVPs: UInt32? = nil, device: String = "missing", deviceDetail: String? = nil,
        driver: String = "unknown", scheduler: String = "unknown"
    ) {
        self.vendor = vendor
        self.role = role
        self.version = version
        self.isNested = isNested
        self.maximumVPs = maximumVPs
        self.device = device
        self.deviceDetail = deviceDetail
        self.driver = driver
        self.scheduler = scheduler
    }

    init(_ host: MshvHost) {
        self.init(
            vendor: host.vendor, role: host.role, version: host.version, isNested: host.isNested,
            maximumVPs: host.maximumVPs, driver: host.generation?.rawValue ?? "unknown",
            scheduler: host.scheduler ?? "unknown")
        switch host.device {
        case .missing: device = "missing"
        case .inaccessible(let reason):
            device = "inaccessible"
            deviceDetail = reason
        case .usable: device = "usable"
        }
    }
}
