import CLinux
import HypercallABI

/// A local APIC's registers as KVM has them, one in 16 bytes, and as the hypervisor has them, one after the other
/// (HV_LOCAL_INTERRUPT_CONTROLLER_STATE, 176 bytes).
struct LocalAPICRegisters: Equatable {
    /// `struct kvm_lapic_state`: 1024 bytes.
    private(set) var bytes: [UInt8]

    static let size = 1024
    static let stateSize = 176

    /// - Parameter bytes: 1024 of them.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The register at a byte offset of the APIC's page, below 1024.
    subscript(offset: Int) -> UInt32 {
        get { (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) } }
        set {
            for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: newValue >> (8 * UInt32(index))) }
        }
    }

    /// Where each word of the state stands in the APIC's page; nil: a register that KVM does not keep.
    private static let places: [Int?] = {
        // Identifier, version, logical and format destination, spurious.
        var places: [Int?] = [0x20, 0x30, 0xD0, 0xE0, 0xF0]
        // In service, trigger mode, requested.
        for base in [0x100, 0x180, 0x200] { places += (0..<8).map { base + 16 * $0 } }
        // Errors; the command register's halves.
        places += [0x280, 0x310, 0x300]
        // The local vector table: timer, thermal, performance, LINT0, LINT1, error, CMCI.
        places += [0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x2F0]
        // The errors not shown yet, which are KVM's own; the timer's counts and divider; remote read.
        places += [nil, 0x380, 0x390, 0x3E0, 0xC0]
        return places
    }()

    /// The hypervisor's form.
    var state: [UInt8] {
        Self.places.flatMap { place in
            place.map { Array(bytes[$0..<($0 + 4)]) } ?? [0, 0, 0, 0]
        }
    }

    /// Takes over what the hypervisor's form has.
    ///
    /// - Throws: `invalidParameter` for fewer than 176 bytes.
    mutating func apply(_ state: [UInt8]) throws(HypercallStatus) {
        guard state.count >= Self.stateSize else { throw .invalidParameter }
        for (word, place) in Self.places.enumerated() {
            guard let place else { continue }
            bytes.replaceSubrange(place..<(place + 4), with: state[(4 * word)..<(4 * word + 4)])
        }
    }
}
