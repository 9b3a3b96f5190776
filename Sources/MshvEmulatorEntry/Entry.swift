import CMshvEmulatorEntry
import Glibc
import LinuxSystem
import MshvEmulator

// What the C side calls (CMshvEmulatorEntry.h). Objects cross as retained pointers to `FileBox`.

/// An object of the emulator behind the C side's pointer.
private final class FileBox: Sendable {
    let file: any EmulatedFile
    init(_ file: any EmulatedFile) { self.file = file }

    /// Makes a descriptor of an object; the C side keeps it from then on.
    static func install(_ file: any EmulatedFile) throws(Errno) -> Int32 {
        let box = Unmanaged.passRetained(FileBox(file))
        let descriptor = hvemu_install(
            file.kind.rawValue, box.toOpaque(), file.memory.raw, O_RDWR | O_CLOEXEC)
        if descriptor < 0 {
            box.release()
            throw Errno(-descriptor)
        }
        return descriptor
    }
}

@_cdecl("hvemu_device_make")
func deviceMake(
    _ object: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ file: UnsafeMutablePointer<Int32>
) -> Int32 {
    do throws(Errno) {
        let device = try ProcessEmulator.current().openDevice()
        file.pointee = device.memory.raw
        object.pointee = Unmanaged.passRetained(FileBox(device)).toOpaque()
        return 0
    } catch {
        return -error.code
    }
}

@_cdecl("hvemu_object_ioctl")
func objectIoctl(
    _ kind: Int32, _ object: UnsafeMutableRawPointer?, _ request: UInt32, _ argument: UInt64
) -> Int32 {
    do throws(Errno) {
        guard let object else {
            return try ProcessEmulator.current().deviceRequest(request, argument, FileBox.install)
        }
        // Sound: a `FileBox` that the C side retained for this call.
        let box = Unmanaged<FileBox>.fromOpaque(object).takeUnretainedValue()
        return try box.file.ioctl(request, argument, FileBox.install)
    } catch {
        return -error.code
    }
}

@_cdecl("hvemu_object_retain")
func objectRetain(_ object: UnsafeMutableRawPointer) {
    // Sound: a `FileBox` that the C side holds.
    _ = Unmanaged<FileBox>.fromOpaque(object).retain()
}

@_cdecl("hvemu_object_release")
func objectRelease(_ object: UnsafeMutableRawPointer) {
    // Sound: the end of a `retain`.
    Unmanaged<FileBox>.fromOpaque(object).release()
}

@_cdecl("hvemu_object_end")
func objectEnd(_ kind: Int32, _ object: UnsafeMutableRawPointer) {
    // Sound: the reference that was given away when the object was made, which the C side no longer has.
    let box = Unmanaged<FileBox>.fromOpaque(object).takeRetainedValue()
    box.file.released()
}
