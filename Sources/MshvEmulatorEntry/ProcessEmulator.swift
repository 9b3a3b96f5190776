import CMshvEmulatorEntry
import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Log
import MshvEmulator
import Synchronization

/// The emulator of this process, made on the first open of `/dev/mshv`.
///
/// It is kept by the C side, because a forked child has to make its own: the parent's is in a state that nobody knows
/// (locks that other threads held), made of vCPUs that only the parent can run.
enum ProcessEmulator {
    /// - Throws: ENODEV where guests can't run here; a line on standard error says why.
    static func current() throws(Errno) -> MshvEmulator {
        hvemu_state_lock()
        defer { hvemu_state_unlock() }
        if let state = hvemu_state() {
            // Sound: only set below, and never released.
            return Unmanaged<MshvEmulator>.fromOpaque(state).takeUnretainedValue()
        }
        let emulator: MshvEmulator
        do throws(HypervisorError) {
            emulator = MshvEmulator(
                engine: try KvmEngine(), processorLimit: processorLimit, makeProcessor: processorFactory(),
                report: { Log.warning("mshv emulator: \($0)") })
        } catch {
            Log.error("mshv emulator: /dev/mshv can't be opened: \(error)")
            throw Errno(ENODEV)
        }
        hvemu_set_state(Unmanaged.passRetained(emulator).toOpaque())
        return emulator
    }

    /// As many as KVM's partitions can have, or what the environment says: some guests dislike a CPUID that tells of
    /// 254 processors.
    private static var processorLimit: Int {
        guard let value = getenv("HVROOT_MSHV_EMULATOR_MAX_VPS") else { return 254 }
        return min(max(Int(String(cString: value)) ?? 254, 1), 254)
    }

    /// A test puts processors of its own here, before the first open.
    static let processors = Mutex<ProcessorFactory?>(nil)

    private static func processorFactory() -> ProcessorFactory {
        let halts = HaltWatch()
        return { (hypervisor, partition, index, pages, notifications) throws(HypercallStatus) in
            if let make = processors.withLock({ $0 }) {
                return try make(hypervisor, partition, index, pages, notifications)
            }
            return try EngineProcessor(
                hypervisor, partition, index, pages, notifications, halts,
                report: { Log.warning("mshv emulator: \($0)") })
        }
    }
}
