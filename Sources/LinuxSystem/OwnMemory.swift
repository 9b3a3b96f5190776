import CLinux
import Glibc

/// This process's memory by address, for addresses that somebody else named: a copy from or to what is not there is an
/// error and not the end of the process. About a microsecond each.
package enum OwnMemory {
    /// Copies from `address` into all of `buffer`.
    ///
    /// - Throws: `EFAULT` where not all of it is readable; part of the buffer may be written then.
    package static func read(_ address: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return }
        let code = hv_copy_own_memory(0, address, base, buffer.count)
        if code != 0 { throw Errno(code) }
    }

    /// Copies all of `buffer` to `address`.
    ///
    /// - Throws: `EFAULT` where not all of it is writable; part of it may be written then.
    package static func write(_ address: UInt64, from buffer: UnsafeRawBufferPointer) throws(Errno) {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return }
        // Sound: the kernel only reads the buffer in this direction.
        let code = hv_copy_own_memory(1, address, UnsafeMutableRawPointer(mutating: base), buffer.count)
        if code != 0 { throw Errno(code) }
    }

    /// Sets bits of a byte, atomically for the processors of a guest that may be changing it.
    ///
    /// The page must stay mapped meanwhile: that is a rule for whoever registers memory with a hypervisor.
    ///
    /// - Returns: the byte as it was.
    /// - Throws: `EFAULT` or `ENOMEM` where it is not writable, `EINVAL` on kernels before 5.14.
    @discardableResult
    package static func setBits(_ bits: UInt8, at address: UInt64) throws(Errno) -> UInt8 {
        var before: UInt8 = 0
        let code = hv_set_bits_of_own_byte(address, bits, &before)
        if code != 0 { throw Errno(code) }
        return before
    }
}
