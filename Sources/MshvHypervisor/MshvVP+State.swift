import CMshv
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

/// A part of a processor's state beside its registers, in the hypervisor's format (`CMshv`'s CHvState.h).
package enum MshvVPState: Sendable, CaseIterable {
    /// The local APIC's registers.
    case localAPIC
    /// XSAVE, compacted.
    case xsave
    /// The SynIC's message page and its event flags page.
    case messagePage, eventFlagsPage
    case syntheticTimers

    init?(hypervisorType: UInt32) {
        switch hypervisorType {
        case 0x8000_0000: self = .localAPIC
        case 0x8000_0001: self = .xsave
        case 0x8000_0002: self = .messagePage
        case 0x8000_0003: self = .eventFlagsPage
        case 4: self = .syntheticTimers
        default: return nil
        }
    }

    var driverType: UInt8 {
        switch self {
        case .localAPIC: UInt8(MSHV_VP_STATE_LAPIC)
        case .xsave: UInt8(MSHV_VP_STATE_XSAVE)
        case .messagePage: UInt8(MSHV_VP_STATE_SIMP)
        case .eventFlagsPage: UInt8(MSHV_VP_STATE_SIEFP)
        case .syntheticTimers: UInt8(MSHV_VP_STATE_SYNTHETIC_TIMERS)
        }
    }
}

extension MshvVP {
    /// More than any processor's XSAVE area.
    private static let largestState = 1 << 20

    /// Reads a part of the state; the processor stands still meanwhile.
    ///
    /// - Throws: `HypervisorError` with the driver's reason.
    package func state(_ component: MshvVPState) throws(HypervisorError) -> [UInt8] {
        var size = pageSize
        while true {
            let buffer = try stateBuffer(size)
            let (needed, failure) = exchange(
                component, HV_MSHV_VP_GET_STATE, UInt64(UInt(bitPattern: buffer.base)), size)
            guard let failure else {
                return [UInt8](UnsafeRawBufferPointer(start: buffer.base, count: min(needed, size)))
            }
            // The driver tells how much it needs where that is more than there is.
            guard failure.code == EINVAL, needed > size, needed <= Self.largestState else {
                throw HypervisorError("processor \(index): the driver does not tell its state \(component): \(failure)")
            }
            size = (needed + pageSize - 1) / pageSize * pageSize
        }
    }

    /// Sets a part of the state; the processor stands still meanwhile.
    package func setState(_ component: MshvVPState, _ bytes: [UInt8]) throws(HypervisorError) {
        guard !bytes.isEmpty, bytes.count <= Self.largestState else {
            throw HypervisorError("processor \(index): a state \(component) of \(bytes.count) bytes")
        }
        let size = (bytes.count + pageSize - 1) / pageSize * pageSize
        let buffer = try stateBuffer(size)
        buffer.base.copyMemory(from: bytes, byteCount: bytes.count)
        if let failure = exchange(component, HV_MSHV_VP_SET_STATE, UInt64(UInt(bitPattern: buffer.base)), size).failure
        {
            throw HypervisorError("processor \(index): the driver refuses its state \(component): \(failure)")
        }
    }

    /// Whole pages, as the driver wants them.
    private func stateBuffer(_ size: Int) throws(HypervisorError) -> MemoryMapping {
        do throws(Errno) {
            return try MemoryMapping(anonymous: size)
        } catch {
            throw HypervisorError("\(size) bytes for a processor's state: \(error)")
        }
    }

    /// - Parameter address: of `size` bytes of this process, both whole pages.
    /// - Returns: how many bytes the component has, where the driver came to tell, and why it did not succeed.
    func exchange(
        _ component: MshvVPState, _ request: UInt, _ address: UInt64, _ size: Int
    ) -> (needed: Int, failure: Errno?) {
        var arguments = mshv_get_set_vp_state()
        arguments.type = component.driverType
        arguments.buf_sz = UInt32(clamping: size)
        arguments.buf_ptr = address
        var failure: Errno?
        do throws(HypercallStatus) {
            try standingStill { inner in
                do throws(Errno) {
                    try inner.descriptor.call(request, &arguments)
                } catch {
                    failure = error
                }
            }
        } catch {
            failure = Errno(ENODEV)
        }
        return (Int(arguments.buf_sz), failure)
    }
}
