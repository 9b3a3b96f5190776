import HypercallABI
import HypercallCore

/// Properties of partitions, of the root too, whose own are those of a partition that was created with everything.
///
/// Reading checks reserved fields (`invalidParameter`), the partition (`invalidPartitionId`), the property
/// (`unknownProperty`), and then, with HvCallGetPartitionPropertyEx, the argument (`invalidParameter`). A partition in
/// any state has properties. Nobody sets the root's (`invalidPartitionId`).
extension EmbeddedCore {
    func getPartitionProperty(_ input: GetPartitionPropertyInput) throws(HypercallStatus) -> UInt64 {
        if input.partition == .own {
            return try PropertyStore(CreatePartitionInput(flags: []), host: host).value(of: input.property)
        }
        return try partition(input.partition).with { state throws(HypercallStatus) in
            try state.property(input.property)
        }
    }

    func setPartitionProperty(_ input: SetPartitionPropertyInput) throws(HypercallStatus) {
        try partition(input.partition).with { state throws(HypercallStatus) in
            try state.setProperty(input.property, to: input.value)
        }
    }

    func getPartitionPropertyEx(_ input: GetPartitionPropertyExInput) throws(HypercallStatus) -> BankedProperty {
        if input.partition != .own {
            try partition(input.partition).with { state throws(HypercallStatus) in try state.requireAlive() }
        }
        return try PropertyStore.banked(
            input.property, argument: input.argument, isRoot: input.partition == .own)
    }
}
