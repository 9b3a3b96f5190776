import GuestMemory
import PartitionManager

/// Memory that grows while the guest runs.
extension Validation {
    private static let step = GrowthRegion.blockSize

    static func check(maximum: UInt64, of size: UInt64) throws(ServiceError) {
        guard memorySizes.contains(maximum), maximum >= size, maximum % memoryStep == 0 else {
            throw ServiceError(
                .invalidArgument,
                "The memory's maximum is \(maximum) bytes; it is at least its size, \(size) bytes, at most 64 TiB, and "
                    + "in steps of 2 MiB.", field: "/memory/maximum", expected: "\(size)...64TiB")
        }
    }

    /// What a guest that runs can be asked to come to.
    static func check(memorySize: UInt64, ofGuestBootedWith boot: UInt64) throws(ServiceError) {
        guard memorySize >= boot, (memorySize - boot) % step == 0 else {
            throw ServiceError(
                .invalidArgument,
                "The guest booted with \(boot) bytes of memory and can have as many or, in steps of 128 MiB, more while "
                    + "it runs; not \(memorySize).", field: "/memory/size", expected: "\(boot) and N times 128 MiB")
        }
    }
}
