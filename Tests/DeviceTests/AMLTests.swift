import Testing

@testable import VirtualDevices

@Suite struct AMLTests {
    /// The full stop is 0x2E, and so is the prefix of a name of two segments.
    @Test(arguments: [("_STA", "_STA"), ("A", "A___"), ("\\_SB", "\\_SB_"), ("\\_SB.PWRB", "\\._SB_PWRB")])
    func names(text: String, encoded: String) {
        #expect(AMLName(text).bytes == Array(encoded.utf8))
    }

    @Test func longNames() {
        #expect(AMLName("A.B.C").bytes == [0x2F, 3] + Array("A___B___C___".utf8))
        #expect(AMLName("\\").bytes == [0x5C, 0x00])
    }

    @Test(
        arguments: [
            (0, [0x00]), (1, [0x01]), (2, [0x0A, 2]), (255, [0x0A, 255]), (256, [0x0B, 0, 1]),
            (0xFFFF, [0x0B, 0xFF, 0xFF]), (0x10000, [0x0C, 0, 0, 1, 0]),
            (0x1_0000_0000, [0x0E, 0, 0, 0, 0, 1, 0, 0, 0]),
        ] as [(UInt64, [UInt8])])
    func integers(value: UInt64, encoded: [UInt8]) {
        #expect(AMLTerm.integer(value).bytes == encoded)
    }

    @Test(
        arguments: [
            (0, [0x00]), (0x3F, [0x3F]), (0x40, [0x40, 0x04]), (0xFFF, [0x4F, 0xFF]), (0x1000, [0x80, 0x00, 0x01]),
            (0xF_FFFF, [0x8F, 0xFF, 0xFF]), (0x10_0000, [0xC0, 0x00, 0x00, 0x01]),
        ] as [(Int, [UInt8])])
    func packageLengths(value: Int, encoded: [UInt8]) {
        #expect(AMLTerm.packageLength(value) == encoded)
    }

    @Test(arguments: [0, 61, 62, 63, 64, 4092, 4093, 4094, 4095, 0xF_FFFB, 0xF_FFFC, 0xF_FFFD])
    func lengthsCountThemselves(size: Int) {
        let encoded = AMLTerm.withLength([UInt8](repeating: 0xEE, count: size))
        let own = encoded.count - size
        #expect(AMLTerm.packageLength(encoded.count) == Array(encoded.prefix(own)))
    }

    @Test func eisaIdentifiers() {
        #expect(AMLTerm.eisaID("PNP0501").bytes == [0x0C, 0x41, 0xD0, 0x05, 0x01])
        #expect(AMLTerm.eisaID("PNP0C0C").bytes == [0x0C, 0x41, 0xD0, 0x0C, 0x0C])
    }

    @Test func goldenTerms() {
        #expect(
            AMLTerm.name("_S5", .package([.integer(5), .integer(0)])).bytes
                == [0x08, 0x5F, 0x53, 0x35, 0x5F, 0x12, 0x05, 0x02, 0x0A, 0x05, 0x00])
        #expect(
            AMLTerm.method("_EVT", arguments: 1, serialized: true, [.notify("PWRB", 0x80)]).bytes
                == [0x14, 0x0D] + Array("_EVT".utf8) + [0x09, 0x86] + Array("PWRB".utf8) + [0x0A, 0x80])
        #expect(
            AMLResource.template([.ports(base: 0x3F8, count: 8), .edgeInterrupt(gsi: 4)]).bytes
                == [
                    0x11, 0x16, 0x0A, 0x13, 0x47, 0x01, 0xF8, 0x03, 0xF8, 0x03, 0x01, 0x08, 0x89, 0x06, 0x00, 0x03,
                    0x01, 0x04, 0x00, 0x00, 0x00, 0x79, 0x00,
                ])
    }
}
