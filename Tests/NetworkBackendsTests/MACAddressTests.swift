import Testing

@testable import NetworkBackends

@Suite("MAC addresses")
struct MACAddressTests {
    @Test func textIsReadAndWritten() {
        #expect(MACAddress("02:aB:00:ff:10:01")?.description == "02:ab:00:ff:10:01")
        #expect(MACAddress("02:ab:00:ff:10:01")?.bytes == [2, 0xAB, 0, 0xFF, 0x10, 1])
        for wrong in [
            "", "02", "02:ab:00:ff:10", "02:ab:00:ff:10:01:02", "2:ab:00:ff:10:01", "02:ab:00:ff:10:0g",
            "02-ab-00-ff-10-01", "02:ab:00:ff:10:+1", " 2:ab:00:ff:10:01", "02:ab:00:ff:10:01 ", ":::::",
        ] {
            #expect(MACAddress(wrong) == nil, "\(wrong)")
        }
        #expect(MACAddress([1, 2, 3]) == nil)
        #expect(MACAddress("03:00:00:00:00:00")?.isMulticast == true)
        #expect(MACAddress("02:00:00:00:00:00")?.isMulticast == false)
        #expect(MACAddress("00:00:00:00:00:00")?.isZero == true)
    }

    @Test func derivedOnesAreLocalAndTheirOwn() {
        var seen: Set<MACAddress> = []
        for vm in 0..<2000 {
            for interface in ["net0", "net1"] {
                let mac = MACAddress(derivedFrom: "node", vm: "vm-\(vm)", interface: interface)
                #expect(mac.bytes[0] & 3 == 2)
                seen.insert(mac)
            }
        }
        #expect(seen.count == 4000)
        let mac = MACAddress(derivedFrom: "node", vm: "ab", interface: "c")
        #expect(mac == MACAddress(derivedFrom: "node", vm: "ab", interface: "c"))
        #expect(mac != MACAddress(derivedFrom: "node", vm: "a", interface: "bc"))
        #expect(mac != MACAddress(derivedFrom: "other", vm: "ab", interface: "c"))
    }
}
