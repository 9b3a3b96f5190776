import CMshv
import CMshvEmulatorEntry
import Glibc
import HypercallABI
import LinuxSystem
import MshvEmulator
import Synchronization
import Testing

@testable import MshvEmulatorEntry

/// Whether this machine has a `/dev/kvm` that we may open.
let emulatorCanRun = access("/dev/kvm", R_OK | W_OK) == 0

/// A descriptor of the emulator, used through the functions that stand in for the C library's.
final class EmulatorDescriptor: Sendable {
    let raw: Int32

    init(_ raw: Int32) { self.raw = raw }

    deinit { hvemu_close(raw) }

    /// Opens `/dev/mshv`.
    static func device(_ flags: Int32 = O_RDWR | O_CLOEXEC) throws(Errno) -> EmulatorDescriptor {
        let raw = hvemu_open("/dev/mshv", flags, 0)
        if raw < 0 { throw Errno.last }
        return EmulatorDescriptor(raw)
    }

    @discardableResult
    func ioctl(_ request: UInt, _ address: UInt = 0) throws(Errno) -> Int32 {
        let result = hvemu_ioctl(raw, request, UnsafeMutableRawPointer(bitPattern: address))
        if result < 0 { throw Errno.last }
        return result
    }

    @discardableResult
    func ioctl<T>(_ request: UInt, _ value: inout T) throws(Errno) -> Int32 {
        let result = withUnsafeMutablePointer(to: &value) { hvemu_ioctl(raw, request, $0) }
        if result < 0 { throw Errno.last }
        return result
    }

    /// A new partition, not initialized.
    func partition(flags: UInt64 = 0x7) throws(Errno) -> EmulatorDescriptor {
        var argument = mshv_create_partition(pt_flags: flags, pt_isolation: 0)
        return EmulatorDescriptor(try ioctl(HV_MSHV_DEVICE_CREATE_PARTITION, &argument))
    }

    /// A new initialized partition on a device of its own, which is closed again.
    static func initializedPartition() throws(Errno) -> EmulatorDescriptor {
        let partition = try device().partition()
        try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE)
        return partition
    }

    func processor(_ index: UInt32) throws(Errno) -> EmulatorDescriptor {
        var argument = mshv_create_vp(vp_index: index)
        return EmulatorDescriptor(try ioctl(HV_MSHV_PARTITION_CREATE_VP, &argument))
    }

    /// Makes a call through MSHV_ROOT_HVCALL. The partition's id is left to the driver.
    ///
    /// - Returns: the request as it came back, the errno (0: none) and the output.
    func hypercall(
        _ code: CallCode, _ input: [UInt8], outputSize: Int = 0, reps: UInt16 = 0
    ) -> (request: mshv_root_hvcall, errno: Int32, output: [UInt8]) {
        var input = input
        var output = [UInt8](repeating: 0xEE, count: outputSize)
        var request = mshv_root_hvcall()
        request.code = code.rawValue
        request.reps = reps
        request.in_sz = UInt16(input.count)
        request.out_sz = UInt16(outputSize)
        let code = input.withUnsafeMutableBytes { input in
            output.withUnsafeMutableBytes { output -> Int32 in
                request.in_ptr = UInt64(UInt(bitPattern: input.baseAddress))
                request.out_ptr = outputSize == 0 ? 0 : UInt64(UInt(bitPattern: output.baseAddress))
                do throws(Errno) {
                    try ioctl(HV_MSHV_PARTITION_ROOT_HVCALL, &request)
                    return 0
                } catch {
                    return error.code
                }
            }
        }
        return (request, code, output)
    }
}

/// The errno that an action fails with; 0 where it does not.
func code(of body: () throws(Errno) -> Void) -> Int32 {
    do throws(Errno) {
        try body()
        return 0
    } catch {
        return error.code
    }
}

/// Little-endian bytes of numbers of 64 bits.
func words(_ values: UInt64...) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}

/// Memory of the test, with nothing behind it: it lies where the kernel puts nothing by itself.
final class TestMemory: @unchecked Sendable {
    // Unchecked: one address, which never changes.
    let base: UnsafeMutableRawPointer
    let count: Int

    private static let next = Mutex<UInt>(0x3000_0000_0000)

    init(_ count: Int) throws(Errno) {
        let place = Self.next.withLock { next in
            defer { next += UInt(count) + (1 << 22) }
            return next
        }
        let hint = UnsafeMutableRawPointer(bitPattern: place)
        let flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        guard let base = mmap(hint, count, PROT_READ | PROT_WRITE, flags, -1, 0),
            base != UnsafeMutableRawPointer(bitPattern: -1)
        else { throw Errno.last }
        self.base = base
        self.count = count
    }

    deinit { munmap(base, count) }

    var address: UInt64 { UInt64(UInt(bitPattern: base)) }

    func region(page: UInt64, size: UInt64? = nil, flags: UInt8 = 3) -> mshv_user_mem_region {
        var region = mshv_user_mem_region()
        region.size = size ?? UInt64(count)
        region.guest_pfn = page
        region.userspace_addr = address
        region.flags = flags
        return region
    }
}
