import Glibc
import LinuxSystem

/// The disk from which cloud-init takes a guest's configuration (its NoCloud source): ISO 9660 with the label CIDATA and
/// a file for each part.
package struct SeedDisk: Sendable {
    package var userData: String
    package var metaData: String
    package var networkConfig: String?
    package var vendorData: String?

    package init(userData: String, metaData: String, networkConfig: String?, vendorData: String?) {
        self.userData = userData
        self.metaData = metaData
        self.networkConfig = networkConfig
        self.vendorData = vendorData
    }

    package static var isAvailable: Bool { HostTool.isoMaker() != nil }
    package static let missingTool =
        "this host has no genisoimage, which makes the disk that cloud-init reads (Debian: genisoimage)"

    private var files: [(name: String, text: String)] {
        [("user-data", userData), ("meta-data", metaData)]
            + [("network-config", networkConfig), ("vendor-data", vendorData)].compactMap { name, text in
                text.map { (name, $0) }
            }
    }

    /// Makes `directory/name`, with mode 0600, in place of what was there. Blocks. No message of it holds a part.
    package func write(directory: String, name: String) throws(StorageFailure) {
        guard let tool = HostTool.isoMaker() else { throw StorageFailure(.missingTool, Self.missingTool) }
        let folder = "\(directory)/.\(name).parts"
        let temporary = "\(directory)/.\(name).new"
        remove(folder)
        unlink(temporary)
        defer { remove(folder) }
        do throws(Errno) {
            if mkdir(folder, 0o700) != 0 { throw Errno.last }
            for (part, text) in files {
                try WholeFile.replace(directory: folder, name: part, with: Array(text.utf8), durable: false)
            }
            // Before there is anything in it.
            _ = try FileDescriptor(opening: temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        } catch {
            throw StorageFailure(error, "the parts of the cloud-init disk can't be written")
        }
        do throws(StorageFailure) {
            try tool.run(
                ["-quiet", "-output", temporary, "-volid", "CIDATA", "-joliet", "-rational-rock", folder],
                directory: directory)
            do throws(Errno) {
                if chmod(temporary, 0o600) != 0 { throw Errno.last }
                if rename(temporary, "\(directory)/\(name)") != 0 { throw Errno.last }
            } catch {
                throw StorageFailure(error, "the cloud-init disk can't be made")
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private func remove(_ folder: String) {
        // All that there can be: one that an earlier server left may have others.
        for part in ["user-data", "meta-data", "network-config", "vendor-data"] { unlink("\(folder)/\(part)") }
        rmdir(folder)
    }
}
