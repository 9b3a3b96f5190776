/// An IPv4 address.
package struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first of the four numbers is in the highest byte.
    package let value: UInt32

    package init(_ value: UInt32) { self.value = value }

    /// Reads four decimal numbers with dots between them; no other form that programs may know, so that an address has
    /// one text.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let number = Decimal.number(part), number <= 255 else { return nil }
            value = value << 8 | number
        }
        self.value = value
    }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    package var description: String {
        [24, 16, 8, 0].map { String(value >> UInt32($0) & 0xFF) }.joined(separator: ".")
    }
}

/// A range of IPv4 addresses with a common beginning, as CIDR writes it: `10.64.0.0/24`.
package struct IPv4Subnet: Hashable, Sendable, CustomStringConvertible {
    /// Its bits after the prefix are zero.
    package let address: IPv4Address
    package let prefix: Int

    /// - Returns: nil for a prefix over 32. Bits of the address after the prefix are dropped.
    package init?(_ address: IPv4Address, prefix: Int) {
        guard (0...32).contains(prefix) else { return nil }
        self.address = IPv4Address(address.value & Self.mask(prefix))
        self.prefix = prefix
    }

    /// Reads CIDR. Bits of the address after the prefix are dropped: compare `description` to know of them.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(String(parts[0])), let prefix = Decimal.number(parts[1])
        else { return nil }
        self.init(address, prefix: Int(prefix))
    }

    private static func mask(_ prefix: Int) -> UInt32 { prefix == 0 ? 0 : UInt32.max << UInt32(32 - prefix) }

    package var netmask: IPv4Address { IPv4Address(Self.mask(prefix)) }
    package var broadcast: IPv4Address { IPv4Address(address.value | ~Self.mask(prefix)) }
    package var description: String { "\(address)/\(prefix)" }

    package func contains(_ other: IPv4Address) -> Bool { other.value & Self.mask(prefix) == address.value }

    package func overlaps(_ other: IPv4Subnet) -> Bool {
        contains(other.address) || other.contains(address)
    }
}

/// A range of addresses with its ends.
package struct IPv4Range: Hashable, Sendable {
    package let first: IPv4Address
    package let last: IPv4Address

    /// - Returns: nil where the last stands before the first.
    package init?(_ first: IPv4Address, _ last: IPv4Address) {
        guard first <= last else { return nil }
        self.first = first
        self.last = last
    }

    package var count: UInt64 { UInt64(last.value) - UInt64(first.value) + 1 }
    package func contains(_ address: IPv4Address) -> Bool { first <= address && address <= last }

    /// An address that `isTaken` does not know. The search begins at a place that follows from the MAC address, so that
    /// the same interface tends to get the same address again.
    ///
    /// - Returns: nil where all are taken.
    package func free(for mac: MACAddress, isTaken: (IPv4Address) -> Bool) -> IPv4Address? {
        let hash = mac.bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
        let start = (hash ^ hash >> 32) % count
        for step in 0..<count {
            let offset = (start + step) % count
            let address = IPv4Address(first.value + UInt32(offset))
            if !isTaken(address) { return address }
        }
        return nil
    }
}

private enum Decimal {
    /// Decimal digits without a sign and without zeros before them.
    static func number(_ text: Substring) -> UInt32? {
        let bytes = Array(text.utf8)
        guard (1...3).contains(bytes.count), bytes.allSatisfy({ (0x30...0x39).contains($0) }),
            bytes.count == 1 || bytes[0] != 0x30
        else { return nil }
        return UInt32(text)
    }
}
