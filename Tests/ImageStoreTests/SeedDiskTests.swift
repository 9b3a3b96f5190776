import Glibc
import ImageStore
import LinuxSystem
import Testing

@Suite(.enabled(if: SeedDisk.isAvailable, "needs genisoimage")) struct SeedDiskTests {
    /// ECMA-119, 8.4: the primary volume descriptor is sector 16, the volume's name at 40.
    @Test func theDiskHasItsLabelAndParts() throws {
        let directory = try TemporaryDirectory()
        let seed = SeedDisk(
            userData: "#cloud-config\nsecret: 1\n", metaData: "instance-id: i\n", networkConfig: "version: 2\n",
            vendorData: nil)
        // Again over what a crash left.
        mkdir("\(directory.path)/.seed.iso.parts", 0o700)
        _ = try FileDescriptor(opening: "\(directory.path)/.seed.iso.parts/vendor-data", O_CREAT | O_WRONLY)
        try seed.write(directory: directory.path, name: "seed.iso")
        try seed.write(directory: directory.path, name: "seed.iso")
        let path = directory.path + "/seed.iso"
        let bytes = try WholeFile.read(path, limit: 16 << 20)
        #expect(String(decoding: bytes[(16 * 2048 + 1)..<(16 * 2048 + 6)], as: UTF8.self) == "CD001")
        #expect(String(decoding: bytes[(16 * 2048 + 40)..<(16 * 2048 + 46)], as: UTF8.self) == "CIDATA")
        for text in ["secret: 1\n", "instance-id: i\n", "version: 2\n"] {
            #expect(bytes.firstRange(of: Array(text.utf8)) != nil, "\(text)")
        }
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(directory.names("") == ["images", "seed.iso", "volumes"], "parts were left")
    }
}
