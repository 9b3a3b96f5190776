import CLinux
import Glibc
import LinuxSystem

/// An open descriptor of Linux's driver: `/dev/mshv`, a partition or a virtual processor. All that this port knows of
/// the driver goes through here, so that tests can stand in for it.
package protocol MshvDescriptor: AnyObject, Sendable {
    /// One ioctl, as the kernel has it: nothing is retried.
    ///
    /// - Parameter argument: what the request's structure says; nil for requests without one.
    /// - Returns: 0 or more; for requests that make something, its descriptor.
    func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer?) throws(Errno) -> Int32

    /// Takes ownership of a descriptor that an ioctl returned.
    func adopt(_ raw: Int32) -> any MshvDescriptor

    /// Maps one page that the descriptor shares.
    ///
    /// - Parameter offset: in bytes, which page.
    func mapPage(at offset: Int64) throws(Errno) -> any MshvPage
}

/// A page shared with the driver, mapped as long as this lives. It keeps the descriptor's object in the kernel alive.
package protocol MshvPage: AnyObject, Sendable {
    /// 4096 bytes.
    var base: UnsafeMutableRawPointer { get }
}

extension MshvDescriptor {
    /// An ioctl with a structure that the driver may change, made again when a signal came before anything was done.
    @discardableResult
    func call<Argument>(_ request: UInt, _ argument: inout Argument) throws(Errno) -> Int32 {
        while true {
            let result = withUnsafeMutablePointer(to: &argument) { pointer -> Result<Int32, Errno> in
                do throws(Errno) {
                    return .success(try ioctl(request, UnsafeMutableRawPointer(pointer)))
                } catch {
                    return .failure(error)
                }
            }
            switch result {
            case .success(let value): return value
            case .failure(let error) where error.code == EINTR: continue
            case .failure(let error): throw error
            }
        }
    }

    /// An ioctl without an argument.
    @discardableResult
    func call(_ request: UInt) throws(Errno) -> Int32 {
        while true {
            do throws(Errno) {
                return try ioctl(request, nil)
            } catch {
                if error.code != EINTR { throw error }
            }
        }
    }
}

/// A descriptor of the kernel's.
package final class KernelDescriptor: MshvDescriptor {
    package static let path = "/dev/mshv"

    private let descriptor: FileDescriptor

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// Opens `/dev/mshv`.
    package static func openDevice() throws(Errno) -> KernelDescriptor {
        KernelDescriptor(try FileDescriptor(opening: path, O_RDWR))
    }

    package func ioctl(_ request: UInt, _ argument: UnsafeMutableRawPointer?) throws(Errno) -> Int32 {
        // Sound: the callers pass what the request's number asks for, alive for the call.
        let result =
            if let argument {
                hv_ioctl_pointer(descriptor.raw, request, argument)
            } else {
                hv_ioctl_int(descriptor.raw, request, 0)
            }
        if result < 0 { throw Errno.last }
        return result
    }

    package func adopt(_ raw: Int32) -> any MshvDescriptor { KernelDescriptor(FileDescriptor(owning: raw)) }

    package func mapPage(at offset: Int64) throws(Errno) -> any MshvPage {
        try MappedPage(descriptor, offset: offset)
    }
}

private final class MappedPage: MshvPage {
    private let mapping: MemoryMapping

    init(_ descriptor: borrowing FileDescriptor, offset: Int64) throws(Errno) {
        mapping = try MemoryMapping(file: descriptor, offset: offset, count: pageSize, writable: true)
    }

    var base: UnsafeMutableRawPointer { mapping.base }
}
