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
}
