/// The words for identities, from the list that pciutils keeps (Debian: pci.ids).
struct PCINames {
    static let paths = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"]
    private static let limit = 16 << 20

    private var vendors: [UInt16: String] = [:]
    private var devices: [UInt32: String] = [:]
    private var classes: [UInt32: String] = [:]

    /// Looks up those of `identities` only: the list has tens of thousands.
    init(_ list: [UInt8], for identities: [PCIFunction.Identity]) {
        let wantedVendors = Set(identities.map(\.vendor))
        let wantedDevices = Set(identities.map { Self.key($0.vendor, $0.device) })
        let wantedClasses = Set(identities.map { $0.classCode >> 8 })
        var vendor: UInt16?
        var baseClass: UInt32?
        for line in list.split(separator: UInt8(ascii: "\n")) {
            let tabs = line.prefix { $0 == UInt8(ascii: "\t") }.count
            let rest = line.dropFirst(tabs)
            switch (tabs, rest.first) {
            case (_, UInt8(ascii: "#")): continue
            case (0, UInt8(ascii: "C")) where rest.dropFirst().first == UInt8(ascii: " "):
                vendor = nil
                baseClass = Self.entry(rest.dropFirst(2), digits: 2).map { UInt32($0.id) << 8 }
            case (0, _):
                guard let entry = Self.entry(rest, digits: 4) else { continue }
                (vendor, baseClass) = (entry.id, nil)
                if wantedVendors.contains(entry.id) { vendors[entry.id] = entry.name }
            case (1, _):
                if let vendor, wantedVendors.contains(vendor), let entry = Self.entry(rest, digits: 4) {
                    let key = Self.key(vendor, entry.id)
                    if wantedDevices.contains(key) { devices[key] = entry.name }
                } else if let baseClass, let entry = Self.entry(rest, digits: 2) {
                    let key = baseClass | UInt32(entry.id)
                    if wantedClasses.contains(key) { classes[key] = entry.name }
                }
            // Subsystems and programming interfaces.
            default: continue
            }
        }
    }

    /// From the host below `root`; knows nothing where there is no list.
    init(root: String, for identities: [PCIFunction.Identity]) {
        let list = Self.paths.lazy.compactMap { SmallFile.read(root + $0, limit: Self.limit) }.first
        self.init(list ?? [], for: identities)
    }

    func names(of identity: PCIFunction.Identity) -> PCIFunction.Names {
        PCIFunction.Names(
            vendor: vendors[identity.vendor], device: devices[Self.key(identity.vendor, identity.device)],
            deviceClass: classes[identity.classCode >> 8])
    }

    private static func key(_ vendor: UInt16, _ device: UInt16) -> UInt32 { UInt32(vendor) << 16 | UInt32(device) }

    /// `8086  Intel Corporation`
    private static func entry(_ line: ArraySlice<UInt8>, digits: Int) -> (id: UInt16, name: String)? {
        guard let id = UInt16(String(decoding: line.prefix(digits), as: UTF8.self), radix: 16) else { return nil }
        let name = line.dropFirst(digits).drop { $0 == UInt8(ascii: " ") }
        guard line.count > digits + 2, !name.isEmpty else { return nil }
        return (id, String(decoding: name, as: UTF8.self))
    }
}
