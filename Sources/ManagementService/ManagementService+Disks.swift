import BlockStorage
import Hypervisor
import PartitionManager

/// Looks at the images of disks, on the thread for images. A simulated guest has no disks: its images need not exist.
extension ManagementService {
    /// - Throws: `.invalidImage` with the first disk whose image can't be used at all.
    func checkDisks(_ specification: VMSpecification) async throws(ServiceError) {
        try await checkDisks(specification.disks)
    }

    private func checkDisks(_ disks: [DiskSource]) async throws(ServiceError) {
        guard !manager.hypervisor.isSimulated, !disks.isEmpty else { return }
        let registry = manager.storage.registry
        let failure: ServiceError? = await imageReader.run {
            for (index, disk) in disks.enumerated() {
                if disk.volume == nil, let directory = registry.directory(holding: disk.path) {
                    return ServiceError(
                        .invalidArgument,
                        "Disk '\(disk.id)': \(disk.path) lies in \(directory), which is the server's own; name "
                            + "the volume.",
                        field: "/disks/\(index)/path", expected: "a volume, or a file elsewhere")
                }
                guard BlockImages.canServe(disk.format) else {
                    return ServiceError(
                        .notImplemented,
                        "Disk '\(disk.id)': this host has no qemu-nbd, which serves \(disk.format.rawValue) images "
                            + "(Debian: qemu-utils).", field: "/disks/\(index)/format", expected: "raw")
                }
                do throws(BlockStorageError) {
                    try ImageInspection.check(disk)
                } catch {
                    return ServiceError(
                        .invalidImage, "Disk '\(disk.id)': \(error).", field: "/disks/\(index)/\(disk.imageField)")
                }
                // Two names can lead to one file; that the names differ was checked without looking at it.
                guard let identity = ImageInspection.identity(of: disk.path) else { continue }
                for earlier in disks[..<index] where !(earlier.isReadOnly && disk.isReadOnly) {
                    guard ImageInspection.identity(of: earlier.path) == identity else { continue }
                    return ServiceError(
                        .invalidArgument,
                        "The disks '\(earlier.id)' and '\(disk.id)' have the same image: \(earlier.path) and "
                            + "\(disk.path) are one file; only disks that are all read-only can share one.",
                        field: "/disks/\(index)/\(disk.imageField)", expected: "an image of its own")
                }
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Refuses a start where another VM that is not off uses one of the images, unless all only read it. The worker's
    /// lock on the image is what holds; this says who is in the way, before anything is begun.
    ///
    /// - Throws: `.wrongState` that names the VM.
    func checkDisksAreFree(_ vm: VMResource) async throws(ServiceError) {
        guard !manager.hypervisor.isSimulated, !vm.specification.disks.isEmpty else { return }
        let others = manager.vms.all.map(\.entry.resource).filter { other in
            other.id != vm.id && !LifecycleRules.isOff(other.state) && !other.specification.disks.isEmpty
        }
        guard !others.isEmpty else { return }
        let disks = vm.specification.disks
        let failure: ServiceError? = await imageReader.run {
            // By what the names lead to: one file can have many.
            for (index, disk) in disks.enumerated() {
                guard let identity = ImageInspection.identity(of: disk.path) else { continue }
                for other in others {
                    for used in other.specification.disks where !(disk.isReadOnly && used.isReadOnly) {
                        guard ImageInspection.identity(of: used.path) == identity else { continue }
                        return ServiceError(
                            .wrongState,
                            "The image \(disk.path) of disk '\(disk.id)' is in use: VM '\(other.id)' is "
                                + "\(other.state.rawValue) and has it as its disk '\(used.id)'"
                                + "\(used.isReadOnly ? ", read-only" : "").",
                            field: "/disks/\(index)/\(disk.imageField)",
                            expected: "an image that no running VM writes")
                    }
                }
            }
            return nil
        }
        if let failure { throw failure }
    }
}
