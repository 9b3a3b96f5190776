import HypercallABI

/// One instruction in emulation: a machine that stops at each device access and is resumed with its answer.
package struct InstructionEmulation: Sendable {
    private let code: [UInt8]
    private var state: GuestState

    package init(code: [UInt8], state: GuestState) {
        self.code = code
        self.state = state
    }

    package mutating func next(_ memory: inout some GuestAddressSpace, answer: UInt64?) -> EmulationStep {
        .unsupported("no instruction yet")
    }
}
