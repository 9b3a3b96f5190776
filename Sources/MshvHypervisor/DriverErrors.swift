import Glibc
import HypercallABI
import LinuxSystem

extension HypercallStatus {
    /// The status that a driver's errno stands for: its table (drivers/hv/hv_common.c) backwards, which is not one to
    /// one, and what the driver checks by itself.
    ///
    /// `ENOMEM` becomes `insufficientRootMemory` and not `insufficientMemory`: the driver deposits by itself, so a
    /// deposit by the caller would not help and must not be tried again and again.
    init(driver error: Errno) {
        self =
            switch error.code {
            case EINVAL, EFAULT, EOVERFLOW, E2BIG: .invalidParameter
            case ENOMEM: .insufficientRootMemory
            case EPERM, EACCES: .accessDenied
            case EEXIST, EBUSY: .objectInUse
            case ENOENT: .notFound
            case EOPNOTSUPP, ENOTTY, ENODEV: .featureUnavailable
            case ENOSPC, EMFILE, ENFILE: .noResources
            default: .operationFailed
            }
    }
}
