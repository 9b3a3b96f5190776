import HypercallABI

/// Properties that are more than 64 bits, and those of the system.
package protocol PropertyCallHandler: Sendable {
    func getPartitionPropertyEx(_ input: GetPartitionPropertyExInput) throws(HypercallStatus) -> BankedProperty
    /// Properties of the machine. What is less than 64 bits is in the lower ones.
    func getSystemProperty(_ input: GetSystemPropertyInput) throws(HypercallStatus) -> UInt64
    func setSystemProperty(_ input: SetSystemPropertyInput) throws(HypercallStatus)
}
