import HypercallABI
import HypercallCore

extension ModelGenerator {
    private static let properties: [UInt32] =
        [0x10000, 0x10001, 0x20000, 0x20000, 0x30003, 0x30003, 0x30005, 0x30005, 0x50005, 0x60002, 0x60005, 0x60007]
        + Array(0x20001...0x20005) + [0x40000] + Array(0x50000...0x50012) + [0x50014, 0x50017, 0x50022, 0x50026]
        + Array(0x60000...0x6000B) + [0x70000, 0x80000, 0x12345, 0, 0x50028, 0x90007, 0x90009]

    mutating func propertyCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(random.oneIn(20) ? Model.own : partition(model))
        let choice = random.below(25)
        if choice == 0 {
            bytes.add(random.one(of: [0x90007, 0x90009, 0x90008, 0x10000], else: 0) as UInt32)
            bytes.add(0 as UInt32)
            bytes.add(random.oneIn(8) ? random.next() : 0)
            return ModelCall(ControlWord(.getPartitionPropertyEx), bytes.bytes, outputCount: 4072)
        }
        bytes.add(random.one(of: Self.properties, else: 0))
        bytes.add(0 as UInt32)
        if choice < 10 { return ModelCall(ControlWord(.getPartitionProperty), bytes.bytes, outputCount: 8) }
        let values: [UInt64] = [
            0, 0, 0, 1, 1, 2, 100, 10_000, 10_001, 100_000, 100_001, 2048, 2049, 0x3BF, 0x7B_F9FF_0000_FFFF, .max,
        ]
        let mask = 0x7B_F9FF_0000_FFFF & random.next()
        bytes.add(random.oneIn(6) ? mask : random.one(of: values, else: 0))
        return ModelCall(ControlWord(.setPartitionProperty), bytes.bytes)
    }

    /// Calls that read all there is of a partition's properties.
    static func propertyQuestions(_ id: UInt64) -> [ModelCall] {
        var calls: [ModelCall] = []
        for property in properties {
            var bytes = Bytes()
            bytes.add(id)
            bytes.add(property)
            bytes.add(0 as UInt32)
            calls.append(ModelCall(ControlWord(.getPartitionProperty), bytes.bytes, outputCount: 8))
        }
        return calls
    }
}
