import HypercallABI
import HypercallCore
import Hypervisor

/// Answers to exits, and what goes on without one. All of it inside the gate.
extension MshvVP {
    /// Finishes the instruction whose exit was returned, as far as it needs nobody.
    ///
    /// - Returns: a further exit of it, or the same one where it still waits for an answer.
    func finishPending(_ inner: Inner) -> VPExit? {
        if let exit = early {
            early = nil
            return exit
        }
        guard let waiting = pending else { return nil }
        switch waiting {
        case .portRead(let intercept): return .portRead(port: intercept.port, size: intercept.accessSize)
        case .msrRead(let intercept): return .msrRead(index: intercept.msr)
        // A write was done by the device; a read without its answer is asked for again.
        case .emulation(let emulation, let before, let space, let header):
            return go(emulation, before, space, header, answer: nil, inner)
        case .msrWrite(let intercept):
            pending = nil
            return advance(intercept.header, with: [], length: 2, inner)
        case .cpuid(let intercept):
            pending = nil
            return finish(
                intercept,
                (intercept.defaultRAX, intercept.defaultRBX, intercept.defaultRCX, intercept.defaultRDX), inner)
        case .exception(let intercept):
            pending = nil
            return writing(intercept.header) { () throws(HypercallFailure) in
                try inner.registers.raise(
                    vector: UInt8(truncatingIfNeeded: intercept.vector), errorCode: intercept.errorCode,
                    parameter: intercept.parameter)
            }
        case .hypercall(let intercept):
            pending = nil
            let result = RegisterAssociation(.rax, UInt64(HypercallStatus.invalidHypercallCode.rawValue))
            return advance(intercept.header, with: [result], length: 3, inner)
        }
    }

    func completeRead(_ value: UInt64, _ inner: Inner) {
        guard early == nil, let waiting = pending else { return }
        switch waiting {
        case .portRead(let intercept):
            pending = nil
            let rax =
                switch intercept.accessSize {
                case 1: intercept.rax & ~0xFF | value & 0xFF
                case 2: intercept.rax & ~0xFFFF | value & 0xFFFF
                default: value & 0xFFFF_FFFF
                }
            early = advance(intercept.header, with: [RegisterAssociation(.rax, rax)], inner)
        case .msrRead(let intercept):
            pending = nil
            early = advance(
                intercept.header,
                with: [
                    RegisterAssociation(.rax, value & 0xFFFF_FFFF), RegisterAssociation(.rdx, value >> 32),
                ], length: 2, inner)
        case .emulation(let emulation, let before, let space, let header):
            // At once, so that the registers are those after the instruction for whoever looks at them next.
            early = go(emulation, before, space, header, answer: value, inner)
        case .msrWrite, .cpuid, .exception, .hypercall: break
        }
    }

    func completeCPUID(_ result: CPUIDRegisters, _ inner: Inner) {
        guard case .cpuid(let intercept) = pending else { return }
        pending = nil
        early = finish(
            intercept, (UInt64(result.eax), UInt64(result.ebx), UInt64(result.ecx), UInt64(result.edx)), inner)
    }

    private func finish(
        _ intercept: CPUIDIntercept, _ result: (a: UInt64, b: UInt64, c: UInt64, d: UInt64), _ inner: Inner
    ) -> VPExit? {
        advance(
            intercept.header,
            with: [
                RegisterAssociation(.rax, result.a), RegisterAssociation(.rbx, result.b),
                RegisterAssociation(.rcx, result.c), RegisterAssociation(.rdx, result.d),
            ], length: 2, inner)
    }

    func failAccess(_ inner: Inner) {
        let header: InterceptMessageHeader
        switch pending {
        case .msrRead(let intercept), .msrWrite(let intercept): header = intercept.header
        default: return
        }
        pending = nil
        early = writing(header) { () throws(HypercallFailure) in
            try inner.registers.raise(vector: 13, errorCode: 0)
        }
    }
}
