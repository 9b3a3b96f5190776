import HypercallABI
import HypercallCore

extension ModelGenerator {
    mutating func interruptCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(random.one(of: [0, 0, 1, 2, 4, 5, 6, 7, 3, 8], else: 0) as UInt32)
        bytes.add(UInt32(random.below(random.oneIn(20) ? 8 : 4)))
        bytes.add(random.oneIn(20) ? random.next() : random.below(random.oneIn(2) ? 4 : 1 << 32 as UInt64))
        bytes.add(UInt32(random.below(random.oneIn(20) ? 300 : 256)))
        bytes.add(random.oneIn(20) ? UInt32(random.below(64)) : 0)
        return ModelCall(ControlWord(.assertVirtualInterrupt), bytes.bytes)
    }
}
