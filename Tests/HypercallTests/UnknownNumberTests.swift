import HypercallABI
import Testing

/// Codes without a name here come from newer hypervisors: they pass through unchanged and print as numbers.
@Suite struct UnknownNumberTests {
    @Test func statusesAndCallsSurvive() {
        var unknown = 0
        for number in UInt16.min...UInt16.max {
            let status = HypercallStatus(rawValue: number)
            let word = ResultWord(rawValue: ResultWord(status, repsCompleted: 4095).rawValue)
            let call = CallCode(rawValue: number)
            let control = ControlWord(rawValue: ControlWord(call, repCount: 4095, repStart: 4094).rawValue)
            if word.status.rawValue != number || control.code.rawValue != number { Issue.record("0x\(number)") }
            guard HypercallStatus.names[status] == nil, CallCode.names[call] == nil else { continue }
            unknown += 1
            let digits = "0x" + String(number, radix: 16)
            if status.description != "status " + digits || call.description != "call " + digits {
                Issue.record("\(status), \(call)")
            }
        }
        #expect(unknown > 65_000)
    }

    @Test func registersAndPropertiesSurvive() throws {
        for number: UInt32 in [0x7FFF_0001, 0xDEAD_BEEF, .max] {
            let register = RegisterAssociation(RegisterName(rawValue: number), RegisterValue(low: 1, high: 2))
            #expect(try decode(bytes(of: register)) == register)
            #expect(register.name.description == "register 0x" + String(number, radix: 16))
            let property = GetPartitionPropertyInput(
                partition: PartitionID(rawValue: 1), property: PartitionProperty(rawValue: number))
            #expect(try decode(bytes(of: property)) == property)
            #expect(property.property.description == "property 0x" + String(number, radix: 16))
        }
    }
}
