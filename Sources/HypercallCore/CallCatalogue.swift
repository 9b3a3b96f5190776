import HypercallABI

/// All calls that this project makes and answers.
package enum CallCatalogue {
    package static let all: [CallDefinition] =
        partitions + memory + isolation + processors + processorState + interrupts + synIC + properties + statistics
        + devices

    package static let codes: [CallCode] = all.map(\.code)

    /// The definition of a call; nil for one that nobody here answers.
    package static func definition(of code: CallCode) -> CallDefinition? {
        let index = Int(code.rawValue)
        return index < table.count ? table[index] : nil
    }

    /// By code: codes are small and dense, and this is asked for every call.
    private static let table: [CallDefinition?] = {
        let last = all.reduce(0) { max($0, Int($1.code.rawValue)) }
        var table = [CallDefinition?](repeating: nil, count: last + 1)
        for definition in all { table[Int(definition.code.rawValue)] = definition }
        return table
    }()
}
