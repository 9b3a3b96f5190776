import CLinux
import Glibc
import LinuxSystem

/// What a descriptor of the emulator stands for. Which of them it is decides what its request numbers mean.
package enum FileKind: Int32, Sendable {
    case device = 1, partition, processor, vfio
}

/// An object with descriptors: as a `struct file` with its operations.
package protocol EmulatedFile: AnyObject, Sendable {
    var kind: FileKind { get }
    /// The file in memory that descriptors of it are opens of.
    var memory: MemoryFile { get }

    /// Answers a request.
    ///
    /// - Parameters:
    ///   - argument: as the program gave it; mostly an address of its memory.
    ///   - install: makes a descriptor of a new object.
    /// - Returns: the ioctl's result, 0 or more.
    /// - Throws: the errno of the ioctl.
    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32

    /// The last descriptor is gone. A request may still be under way.
    func released()
}

/// Makes a descriptor (read and write, close-on-exec) of an object, which is kept as long as there are descriptors.
package typealias Installer = (any EmulatedFile) throws(Errno) -> Int32

/// A file in memory: the identity of an object, and for a processor the pages that its program maps.
package final class MemoryFile: Sendable {
    private let descriptor: FileDescriptor

    package init(name: String, count: Int) throws(Errno) {
        descriptor = FileDescriptor(owning: try retryingInterrupts { hv_memory_file(name, count) })
    }

    /// The descriptor's number, valid as long as this object lives.
    package var raw: Int32 { descriptor.raw }

    func map(count: Int) throws(Errno) -> MemoryMapping {
        try MemoryMapping(file: descriptor, count: count, writable: true)
    }
}
