import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

/// State beside the registers, and CPUID.
extension KvmVP {
    func state(_ component: EngineStateComponent) throws(HypercallStatus) -> [UInt8] {
        switch component {
        case .localAPIC: return try standingStill { () throws(HypercallStatus) in try localAPICRegisters().state }
        case .xsave:
            let layout = try xsaveLayout()
            let area = try standingStill { () throws(HypercallStatus) in try standardXSAVE() }
            guard area.count >= layout.standardSize else { throw .operationFailed }
            return layout.compacted(area)
        }
    }

    func setState(_ component: EngineStateComponent, _ bytes: [UInt8]) throws(HypercallStatus) {
        switch component {
        case .localAPIC:
            try standingStill { () throws(HypercallStatus) in
                var registers = try localAPICRegisters()
                try registers.apply(bytes)
                var raw = registers.bytes
                let result = raw.withUnsafeMutableBytes { ioctl(HV_KVM_SET_LAPIC, $0) }
                if result != nil { throw HypercallStatus.invalidParameter }
            }
        case .xsave:
            let layout = try xsaveLayout()
            try standingStill { () throws(HypercallStatus) in
                let area = try layout.standard(bytes, size: xsaveSize)
                do throws(HypercallStatus) {
                    try setXSAVE(area)
                } catch {
                    throw HypercallStatus.invalidParameter
                }
            }
        }
    }

    /// Makes KVM look for interrupts' targets anew. It keeps a table of the local APICs, brings it up to date when one of
    /// them is written, and does not count a processor that is made later as that: no INIT would reach it.
    ///
    /// The processor has not run.
    func announceLocalAPIC() throws(HypervisorError) {
        var bytes = [UInt8](repeating: 0, count: LocalAPICRegisters.size)
        let error = bytes.withUnsafeMutableBytes { bytes in
            ioctl(HV_KVM_GET_LAPIC, bytes) ?? ioctl(HV_KVM_SET_LAPIC, bytes)
        }
        if let error {
            throw HypervisorError("KVM refuses the local APIC of virtual processor \(index): \(error)")
        }
    }

    /// The processor stands still.
    func localAPICRegisters() throws(HypercallStatus) -> LocalAPICRegisters {
        var bytes = [UInt8](repeating: 0, count: LocalAPICRegisters.size)
        guard bytes.withUnsafeMutableBytes({ ioctl(HV_KVM_GET_LAPIC, $0) }) == nil else { throw .operationFailed }
        return LocalAPICRegisters(bytes)
    }

    /// The XSAVE area in the standard form; where the processor has no XSAVE, KVM fills its first 512 bytes.
    ///
    /// The processor stands still.
    func standardXSAVE() throws(HypercallStatus) -> [UInt8] {
        var area = [UInt8](repeating: 0, count: xsaveSize)
        let request = xsaveSize > MemoryLayout<kvm_xsave>.size ? HV_KVM_GET_XSAVE2 : HV_KVM_GET_XSAVE
        guard area.withUnsafeMutableBytes({ ioctl(request, $0) }) == nil else { throw .operationFailed }
        return area
    }

    /// - Parameter area: of `xsaveSize` bytes. The processor stands still.
    /// - Throws: `invalidRegisterValue` where KVM refuses it.
    func setXSAVE(_ area: [UInt8]) throws(HypercallStatus) {
        var area = area
        let result = area.withUnsafeMutableBytes { ioctl(HV_KVM_SET_XSAVE, $0) }
        if result != nil { throw HypercallStatus.invalidRegisterValue }
    }

    /// - Throws: `featureUnavailable` where the processor has no XSAVE.
    private func xsaveLayout() throws(HypercallStatus) -> XSAVELayout {
        let entries = try cpuidEntries()
        guard let layout = XSAVELayout(cpuid: { CPUIDEntry.result(in: entries, leaf: 0xD, subleaf: $0) }) else {
            throw .featureUnavailable
        }
        return layout
    }

    /// - Parameter bytes: as many as the request's structure has.
    private func ioctl(_ request: UInt, _ bytes: UnsafeMutableRawBufferPointer) -> Errno? {
        do throws(Errno) {
            // Sound: KVM reads or writes no more than the structure, and the buffer outlives the call.
            try descriptor.ioctl(request, UInt(bitPattern: bytes.baseAddress))
            return nil
        } catch {
            return error
        }
    }

    // MARK: CPUID

    func cpuid(leaf: UInt32, subleaf: UInt32) throws(HypercallStatus) -> CPUIDRegisters {
        let entries = try standingStill { () throws(HypercallStatus) in try cpuidEntries() }
        return CPUIDEntry.result(in: entries, leaf: leaf, subleaf: subleaf) ?? CPUIDRegisters()
    }

    /// KVM takes no other CPUID once the processor has run: then it stays as it is.
    func setCPUIDResults(_ results: [CPUIDResultParameters]) {
        let entries = CPUIDEntry.applying(results, to: ownCPUID)
        _ = try? standingStill { () throws(HypercallStatus) in
            do throws(Errno) {
                try CPUIDEntry.set(entries, on: descriptor)
            } catch {
                throw HypercallStatus.operationFailed
            }
        }
    }

    /// As KVM has them now, with the bits that follow CR4 and XCR0.
    private func cpuidEntries() throws(HypercallStatus) -> [CPUIDEntry] {
        do throws(Errno) {
            return try CPUIDEntry.current(of: descriptor)
        } catch {
            throw HypercallStatus.operationFailed
        }
    }
}
