import HypercallABI

extension HypercallClient {
    /// A property of more than 64 bits.
    package func bankedProperty(
        _ property: PartitionProperty, of partition: PartitionID
    ) throws(HypercallFailure) -> BankedProperty {
        let input = GetPartitionPropertyExInput(partition: partition, property: property)
        return try simple(.getPartitionPropertyEx, input) { output throws(HypercallStatus) in
            try BankedProperty(decoding: output)
        }
    }

    package func systemProperty(
        _ property: SystemProperty, argument: UInt32 = 0
    ) throws(HypercallFailure) -> UInt64 {
        try simple(.getSystemProperty, GetSystemPropertyInput(property: property, argument: argument)) {
            output throws(HypercallStatus) in try output.read(UInt64.self, at: 0)
        }
    }

    package func setSystemProperty(_ input: SetSystemPropertyInput) throws(HypercallFailure) {
        try simple(.setSystemProperty, input) { _ in }
    }

    // MARK: The caller

    /// The caller's own id.
    package func ownPartitionID() throws(HypercallFailure) -> PartitionID {
        try simple(.getPartitionId, NoInput()) { output throws(HypercallStatus) in
            try PartitionIDField(decoding: output).partition
        }
    }

    /// The partition that follows `previous` among the children of `parent`; nil behind the last one.
    package func nextChild(
        of parent: PartitionID, after previous: PartitionID = .invalid
    ) throws(HypercallFailure) -> PartitionID? {
        let input = NextChildPartitionInput(parent: parent, previous: previous)
        let child = try simple(.getNextChildPartition, input) { output throws(HypercallStatus) in
            try PartitionIDField(decoding: output).partition
        }
        return child == .invalid ? nil : child
    }

    package func notifyPartitionEvent(_ input: NotifyPartitionEventInput) throws(HypercallFailure) {
        try simple(.notifyPartitionEvent, input) { _ in }
    }
}
