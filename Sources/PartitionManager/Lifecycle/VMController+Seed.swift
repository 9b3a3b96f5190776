import BlockStorage
import Hypervisor
import ImageStore

/// The disk that a guest's cloud-init reads.
extension VMController {
    var seedDisk: DiskSource {
        DiskSource(
            id: CloudInit.diskID, path: "\(core.directory(of: id))/\(CloudInit.fileName)", isReadOnly: true)
    }

    /// Makes the disk anew from what the VM is now, or removes what an earlier start made. Simulated guests read none.
    func makeSeed() async throws(ServiceError) {
        guard !core.launcher.hypervisor.isSimulated else { return }
        let directory = core.directory(of: id)
        guard let cloudInit = record.specification.cloudInit else {
            let path = "\(directory)/\(CloudInit.fileName)"
            _ = await core.files.run { ManagerCore.remove([path]) }
            return
        }
        // Another VM of the same name, later, is another instance.
        let instance = VMResource.instance(id, createdAt: record.createdAt)
        let id = id
        let failure: StorageFailure? = await core.files.run {
            do throws(StorageFailure) {
                guard let metaData = try? cloudInit.completeMetaData(instance: instance, hostname: id) else {
                    throw StorageFailure(.invalid, "the meta-data of the VM begins as JSON and is none")
                }
                let seed = SeedDisk(
                    userData: cloudInit.userData, metaData: metaData, networkConfig: cloudInit.networkConfig,
                    vendorData: cloudInit.vendorData)
                try seed.write(directory: directory, name: CloudInit.fileName)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw ServiceError(failure) }
    }
}
