import Glibc
import HypercallABI
import LinuxSystem

extension Errno {
    /// The errno that Linux gives for a hypercall's status (drivers/hv/hv_common.c); EIO for all that its table lacks.
    init(_ status: HypercallStatus) {
        switch status {
        case .success: self.init(0)
        case .invalidHypercallCode, .invalidHypercallInput, .invalidParameter, .invalidPartitionId, .invalidVpIndex,
            .invalidPortId, .invalidConnectionId, .invalidLpIndex, .invalidRegisterValue:
            self.init(EINVAL)
        case .insufficientMemory, .insufficientRootMemory, .insufficientContiguousMemory,
            .insufficientContiguousRootMemory:
            self.init(ENOMEM)
        default: self.init(EIO)
        }
    }
}

extension HypercallStatus {
    /// Whether the driver deposits a page and makes the call again.
    var needsMemory: Bool { Errno(self).code == ENOMEM }
}
