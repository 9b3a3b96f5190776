/// The 16 bytes of a register's value (HV_REGISTER_VALUE, TLFS, "Virtual Processor Management"), little-endian.
package struct RegisterValue: Hashable, Sendable {
    package var low: UInt64
    package var high: UInt64

    package init(low: UInt64, high: UInt64 = 0) {
        self.low = low
        self.high = high
    }

    /// A 64-bit register.
    package init(_ value: UInt64) { self.init(low: value) }

    package init(_ segment: SegmentRegister) {
        self.init(
            low: segment.base,
            high: UInt64(segment.limit) | UInt64(segment.selector) << 32 | UInt64(segment.attributes) << 48)
    }

    package init(_ table: TableRegister) {
        self.init(low: UInt64(table.limit) << 48, high: table.base)
    }

    package var segment: SegmentRegister {
        SegmentRegister(
            base: low, limit: UInt32(truncatingIfNeeded: high), selector: UInt16(truncatingIfNeeded: high >> 32),
            attributes: UInt16(truncatingIfNeeded: high >> 48))
    }

    package var table: TableRegister {
        TableRegister(base: high, limit: UInt16(truncatingIfNeeded: low >> 48))
    }
}

/// A segment register with its hidden part (HV_X64_SEGMENT_REGISTER, TLFS, "Virtual Processor Management").
package struct SegmentRegister: Hashable, Sendable {
    package var base: UInt64
    package var limit: UInt32
    package var selector: UInt16
    /// Bits 0..3 type, 4 S, 5..6 DPL, 7 P, 12 AVL, 13 L, 14 D, 15 G.
    package var attributes: UInt16

    package init(base: UInt64, limit: UInt32, selector: UInt16, attributes: UInt16) {
        self.base = base
        self.limit = limit
        self.selector = selector
        self.attributes = attributes
    }
}

/// IDTR or GDTR (HV_X64_TABLE_REGISTER, TLFS, "Virtual Processor Management"): 6 bytes of padding, the limit, the base.
package struct TableRegister: Hashable, Sendable {
    package var base: UInt64
    package var limit: UInt16

    package init(base: UInt64, limit: UInt16) {
        self.base = base
        self.limit = limit
    }
}

/// One register and its value (HV_REGISTER_ASSOC, TLFS, "Virtual Processor Management").
package struct RegisterAssociation: Hashable, Sendable {
    package var name: RegisterName
    package var value: RegisterValue

    package init(_ name: RegisterName, _ value: RegisterValue) {
        self.name = name
        self.value = value
    }

    /// A 64-bit register.
    package init(_ name: RegisterName, _ value: UInt64) { self.init(name, RegisterValue(value)) }
}
