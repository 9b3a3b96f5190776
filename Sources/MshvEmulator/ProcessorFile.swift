import CMshv
import Glibc
import HypercallABI
import LinuxSystem
import Synchronization

/// A virtual processor's descriptor: the processor behind the checks that the driver makes.
final class ProcessorFile: EmulatedFile {
    let kind = FileKind.processor
    let memory: MemoryFile
    let processor: any EmulatedProcessor
    private let partition: EmulatedPartition
    /// The driver answers one request at a time; one that comes while the processor runs waits for its end.
    private let turn = Mutex(())

    /// Makes the processor, which the hypervisor has already.
    init(_ partition: EmulatedPartition, index: VPIndex) throws(Errno) {
        memory = try MemoryFile(name: "mshv_vp", count: 2 * pageSize)
        let mapping = SharedPages(try memory.map(count: 2 * pageSize))
        do throws(HypercallStatus) {
            let emulator = partition.emulator
            let made = try emulator.makeProcessor(
                emulator.hypervisor, partition.id, index, mapping.pages, partition.notifications)
            processor = PagedProcessor(made, mapping)
        } catch {
            throw Errno(error)
        }
        self.partition = partition
    }

    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        try turn.withLock { _ throws(Errno) in
            switch UInt(request) {
            case HV_MSHV_VP_RUN: try run(argument)
            case HV_MSHV_VP_GET_STATE: try transferState(argument, isSet: false)
            case HV_MSHV_VP_SET_STATE: try transferState(argument, isSet: true)
            case HV_MSHV_VP_ROOT_HVCALL:
                try hypercall(argument)
            default: throw Errno(ENOTTY)
            }
            return 0
        }
    }

    private func hypercall(_ argument: UInt64) throws(Errno) {
        let call = RootHypercall(emulator: partition.emulator, partition: partition.id, isPartitionDescriptor: false)
        var isSettingRegisters = false
        defer { if isSettingRegisters { processor.registersChanged() } }
        try call.perform(argument) { code throws(Errno) in
            isSettingRegisters = code == .setVpRegisters
            let status = processor.takeChanges()
            if status != 0 { throw Errno(status) }
        }
    }

    /// The processor itself stays until its partition ends.
    func released() {}

    private func run(_ argument: UInt64) throws(Errno) {
        let result = withUnsafeTemporaryAllocation(byteCount: Int(HV_MESSAGE_SIZE), alignment: 8) {
            message -> Result<Void, Errno> in
            message.initializeMemory(as: UInt8.self, repeating: 0)
            let code = processor.run(into: message)
            guard code == 0 else { return .failure(Errno(code)) }
            do throws(Errno) {
                return .success(try UserMemory.copyOut(UnsafeRawBufferPointer(message), to: argument))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    // MARK: State

    /// The largest component: XSAVE with everything that there is.
    private static let largestState = 64 << 10
    private static let stateCount = UInt8(MSHV_VP_STATE_SYNTHETIC_TIMERS) + 1

    private func transferState(_ argument: UInt64, isSet: Bool) throws(Errno) {
        var request = try UserMemory.load(mshv_get_set_vp_state(), at: argument)
        let given = UInt64(request.buf_sz)
        let page = UInt64(pageSize)
        guard request.type < Self.stateCount, request.rsvd.0 == 0, request.rsvd.1 == 0, request.rsvd.2 == 0,
            given > 0, given % page == 0, request.buf_ptr % page == 0
        else { throw Errno(EINVAL) }
        guard UserMemory.isUserRange(request.buf_ptr, given) else { throw Errno(EFAULT) }

        var bytes = [UInt8](repeating: 0, count: min(Int(given), Self.largestState))
        let type = request.type
        let source = request.buf_ptr
        // Also for setting: it tells how many bytes the component has.
        let (code, needed) = bytes.withUnsafeMutableBytes { processor.getState(type: type, into: $0) }
        if code != 0, code != EINVAL || needed <= bytes.count { throw Errno(code) }
        request.buf_sz = UInt32(clamping: needed)
        try UserMemory.store(request, at: argument)
        guard UInt64(needed) <= given, needed <= bytes.count else { throw Errno(EINVAL) }

        let count = needed
        let result = bytes.withUnsafeMutableBytes { buffer -> Result<Int32, Errno> in
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            do throws(Errno) {
                if isSet {
                    try UserMemory.copyIn(source, into: part)
                    return .success(processor.setState(type: type, from: UnsafeRawBufferPointer(part)))
                }
                try UserMemory.copyOut(UnsafeRawBufferPointer(part), to: source)
                return .success(0)
            } catch {
                return .failure(error)
            }
        }
        let end = try result.get()
        if end != 0 { throw Errno(end) }
    }
}

/// The pages that a processor shares with its program, mapped in this process.
private final class SharedPages: Sendable {
    private let mapping: MemoryMapping

    init(_ mapping: consuming MemoryMapping) { self.mapping = mapping }

    var pages: ProcessorPages {
        let page = Int64(pageSize)
        return ProcessorPages(
            registers: mapping.base + Int(HV_MSHV_VP_MMAP_REGISTERS / page) * pageSize,
            message: mapping.base + Int(HV_MSHV_VP_MMAP_INTERCEPT_MESSAGE / page) * pageSize)
    }
}

/// A processor that keeps the memory of its pages.
private final class PagedProcessor: EmulatedProcessor {
    private let processor: any EmulatedProcessor
    private let pages: SharedPages

    init(_ processor: any EmulatedProcessor, _ pages: SharedPages) {
        self.processor = processor
        self.pages = pages
    }

    func run(into message: UnsafeMutableRawBufferPointer) -> Int32 { processor.run(into: message) }

    func getState(type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        processor.getState(type: type, into: buffer)
    }

    func setState(type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32 {
        processor.setState(type: type, from: bytes)
    }

    func takeChanges() -> Int32 { processor.takeChanges() }

    func registersChanged() { processor.registersChanged() }

    func retire() { processor.retire() }
}
