import BlockStorage
import Glibc
import ImageStore
import LinuxSystem
import Testing

@Suite struct VolumeFilesTests {
    static let hasQemuImage = HostTool.qemuImage() != nil
    let directory: TemporaryDirectory
    let volumes: VolumeFiles

    init() throws {
        directory = try TemporaryDirectory()
        volumes = VolumeFiles(directory: directory.volumes, images: directory.images)
        // Data, 4 MiB of nothing, data.
        let image = try FileDescriptor(opening: directory.images.path(of: "i.raw"), O_CREAT | O_RDWR)
        try image.writeAll([UInt8](repeating: 3, count: 10_000))
        _ = lseek(image.raw, 4 << 20, SEEK_SET)
        try image.writeAll([UInt8](repeating: 4, count: 10_000))
        #expect(ftruncate(image.raw, 8 << 20) == 0)
    }

    private func bytes(_ directory: StoreDirectory, _ name: String) throws -> [UInt8] {
        try WholeFile.read(directory.path(of: name), limit: 64 << 20)
    }

    @Test func aBlankOneTakesNoRoom() throws {
        try volumes.makeBlank("v.raw", size: 1 << 40)
        #expect(try FileDescriptor(opening: directory.volumes.path(of: "v.raw"), O_RDONLY).size() == 1 << 40)
        #expect(try #require(directory.volumes.bytesOnDisk("v.raw")) < 1 << 20)
        var status = stat()
        #expect(stat(directory.volumes.path(of: "v.raw"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func aCopyHasTheBytesAndTheHoles() throws {
        try volumes.makeCopy("v.raw", of: "i.raw") { false }
        #expect(try bytes(directory.volumes, "v.raw") == bytes(directory.images, "i.raw"))
        #expect(try #require(directory.volumes.bytesOnDisk("v.raw")) < 1 << 20)
        #expect(throws: StorageFailure.self) { try volumes.makeCopy("w.raw", of: "i.raw") { true } }
        #expect(directory.names("volumes") == ["v.raw"], "a copy that was cancelled left a file")
    }

    @Test func aReflinkHasTheBytesOrIsRefused() throws {
        do throws(StorageFailure) {
            try volumes.makeReflink("v.raw", of: "i.raw")
        } catch {
            #expect(error.kind == .unsupported, "\(error)")
            #expect(directory.names("volumes").isEmpty)
            return
        }
        #expect(try bytes(directory.volumes, "v.raw") == bytes(directory.images, "i.raw"))
    }

    @Test func volumesOnlyGrow() throws {
        try volumes.makeBlank("v.raw", size: 1 << 20)
        try volumes.grow("v.raw", format: .raw, to: 2 << 20)
        try volumes.grow("v.raw", format: .raw, to: 1 << 20)
        #expect(try FileDescriptor(opening: directory.volumes.path(of: "v.raw"), O_RDONLY).size() == 2 << 20)
    }

    @Test(.enabled(if: hasQemuImage, "needs qemu-img")) func anOverlayNamesItsImageOnly() throws {
        try volumes.makeOverlay("v.qcow2", of: "i.raw", format: .raw, size: 16 << 20)
        var disk = DiskSource(id: "d", path: directory.volumes.path(of: "v.qcow2"), format: .qcow2)
        #expect(throws: BlockStorageError.self) { try ImageInspection.check(disk) }
        disk.backing = directory.images.path(of: "i.raw")
        try ImageInspection.check(disk)
        try volumes.grow("v.qcow2", format: .qcow2, to: 32 << 20)
        // The store can be moved as a whole.
        #expect(rename(directory.path, directory.path + "-moved") == 0)
        defer { rename(directory.path + "-moved", directory.path) }
        disk.path = directory.path + "-moved/volumes/v.qcow2"
        disk.backing = directory.path + "-moved/images/i.raw"
        try ImageInspection.check(disk)
    }
}
