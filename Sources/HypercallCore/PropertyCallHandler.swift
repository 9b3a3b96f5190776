import HypercallABI

/// Properties that are more than 64 bits, and those of the system.
package protocol PropertyCallHandler: Sendable {
    func getPartitionPropertyEx(_ input: GetPartitionPropertyExInput) throws(HypercallStatus) -> BankedProperty
}
