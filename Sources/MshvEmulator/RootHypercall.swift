import CMshv
import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import LinuxSystem

/// MSHV_ROOT_HVCALL: the calls that the driver passes through, for the partition whose descriptor it is.
struct RootHypercall {
    let emulator: MshvEmulator
    /// Nil on `/dev/mshv`: the root itself.
    let partition: PartitionID?
    /// Calls that may take long are made only with the partition's lock held, so on its own descriptor.
    let isPartitionDescriptor: Bool

    /// For a child: all of them begin with the partition's id, which the driver fills in.
    private static let forPartition: Set<CallCode> = [
        .getPartitionProperty, .getPartitionPropertyEx, .setPartitionProperty, .installIntercept, .getVpRegisters,
        .setVpRegisters, .translateVirtualAddress, .clearVirtualInterrupt, .registerInterceptResult,
        .assertVirtualInterrupt, .getGpaPagesAccessStates, .signalEventDirect, .postMessageDirect, .getVpCpuidValues,
    ]
    private static let forRoot: Set<CallCode> = [.getPartitionProperty, .getPartitionPropertyEx]
    private static let asynchronous: Set<CallCode> = [.setPartitionProperty]

    /// - Parameter willPerform: is told which call it is, when nothing is left to check.
    func perform(
        _ argument: UInt64, willPerform: (CallCode) throws(Errno) -> Void = { (_) throws(Errno) in }
    ) throws(Errno) {
        var request = try UserMemory.load(mshv_root_hvcall(), at: argument)
        let page = Int(HV_HYP_PAGE_SIZE)
        let isReservedZero = withUnsafeBytes(of: request.rsvd) { $0.allSatisfy { $0 == 0 } }
        guard request.status == 0, request.in_ptr != 0, request.in_sz >= 8, isReservedZero,
            Int(request.in_sz) <= page, request.out_ptr == 0 || (1...page).contains(Int(request.out_sz))
        else { throw Errno(EINVAL) }
        let code = CallCode(rawValue: request.code)
        guard (partition == nil ? Self.forRoot : Self.forPartition).contains(code) else { throw Errno(EINVAL) }
        if Self.asynchronous.contains(code), !isPartitionDescriptor { throw Errno(EINVAL) }

        var input = [UInt8](repeating: 0, count: page)
        var output = [UInt8](repeating: 0, count: request.out_ptr == 0 ? 0 : page)
        let inputSize = Int(request.in_sz)
        let source = request.in_ptr
        try Self.borrowing(&input) { bytes throws(Errno) in
            try UserMemory.copyIn(source, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<inputSize]))
            bytes.storeBytes(of: (partition ?? .own).rawValue.littleEndian, as: UInt64.self)
        }

        try willPerform(code)
        var outcome = try execute(code, reps: Int(request.reps), &input, &output)
        if outcome.status == .featureUnavailable, Self.isCPUIDIntercept(code, input) {
            // docs/mshv-emulator.md, "What is approximated".
            emulator.report("an intercept of CPUID is accepted and never comes: KVM answers CPUID by itself")
            outcome.status = .success
        }
        request.status = outcome.status.rawValue
        request.reps = UInt16(outcome.reps)
        try UserMemory.store(request, at: argument)
        if outcome.status != .success { throw outcome.failure ?? Errno(outcome.status) }
        if request.out_ptr != 0 {
            let count = Int(request.out_sz)
            let target = request.out_ptr
            try Self.borrowing(&output) { bytes throws(Errno) in
                try UserMemory.copyOut(UnsafeRawBufferPointer(rebasing: bytes[..<count]), to: target)
            }
        }
    }

    private static func isCPUIDIntercept(_ code: CallCode, _ input: [UInt8]) -> Bool {
        guard code == .installIntercept else { return false }
        let decoded = input.withUnsafeBytes { try? InstallInterceptInput(decoding: ByteReader($0)) }
        return decoded?.type == .cpuid
    }

    private struct Outcome {
        var status: HypercallStatus
        var reps: Int
        /// Where depositing failed.
        var failure: Errno?
    }

    /// Makes the call until it is done or fails, depositing a page each time the hypervisor needs one.
    private func execute(
        _ code: CallCode, reps: Int, _ input: inout [UInt8], _ output: inout [UInt8]
    ) throws(Errno) -> Outcome {
        // The control word has 12 bits for them. With more, the driver would make reserved bits of it.
        guard reps <= 4095 else { return Outcome(status: .invalidHypercallInput, reps: 0) }
        var done = 0
        var deposits = 0
        while true {
            let control = ControlWord(code, repCount: reps, repStart: done)
            let result = input.withUnsafeBytes { input in
                output.withUnsafeMutableBytes { output in
                    emulator.hypervisor.port.execute(control, input: input, output: output)
                }
            }
            let before = done
            if reps > 0 { done = min(max(result.repsCompleted, done), reps) }
            switch result.status {
            case .success where reps == 0 || done >= reps: return Outcome(status: .success, reps: done)
            case .success where done > before: continue
            case .success: return Outcome(status: .timeOut, reps: done)
            case .callPending: throw Errno(EBADFD)
            case let status where status.needsMemory && deposits < DriverCalls.mostRetries:
                deposits += 1
                do throws(Errno) {
                    try emulator.driver.deposit(1, to: partition ?? .own)
                } catch {
                    return Outcome(status: status, reps: done, failure: error)
                }
            case let status: return Outcome(status: status, reps: done)
            }
        }
    }

    private static func borrowing(
        _ bytes: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(Errno) -> Void
    ) throws(Errno) {
        let result = bytes.withUnsafeMutableBytes { buffer -> Result<Void, Errno> in
            do throws(Errno) {
                return .success(try body(buffer))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
