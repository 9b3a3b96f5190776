/// An Ethernet address.
package struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// Six of them.
    package let bytes: [UInt8]

    /// - Returns: nil for another number of bytes than six.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 6 else { return nil }
        self.bytes = bytes
    }

    /// Reads six bytes of two hexadecimal digits each with colons between them.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy(Self.isHex) }) else {
            return nil
        }
        bytes = parts.compactMap { UInt8($0, radix: 16) }
        guard bytes.count == 6 else { return nil }
    }

    /// The same address for the same names, always: locally administered, so that no maker's device has it.
    ///
    /// - Parameter node: what tells this machine from others on its network.
    package init(derivedFrom node: String, vm: String, interface: String) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        // FNV-1a, with an end after each part: a name is not mistaken for two.
        for part in [node, vm, interface] {
            for byte in Array(part.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        }
        // Names that differ in their last letter only are to differ everywhere.
        hash ^= hash >> 33
        hash = hash &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 33
        var bytes = (0..<6).map { UInt8(truncatingIfNeeded: hash >> (8 * UInt64($0))) }
        bytes[0] = bytes[0] & 0xFC | 0x02
        self.bytes = bytes
    }

    /// Names a group, so that no interface can have it.
    package var isMulticast: Bool { bytes[0] & 1 != 0 }
    package var isZero: Bool { bytes.allSatisfy { $0 == 0 } }

    package var description: String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }.joined(separator: ":")
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
