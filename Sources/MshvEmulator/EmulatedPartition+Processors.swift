import CMshv
import Glibc
import HypercallABI
import LinuxSystem
import Synchronization

extension EmulatedPartition {
    /// MSHV_CREATE_VP.
    func createProcessor(_ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        let index = try UserMemory.load(mshv_create_vp(), at: argument).vp_index
        guard index < UInt32(MSHV_MAX_VPS) else { throw Errno(EINVAL) }
        return try state.withLock { state throws(Errno) in
            guard state.processors[index] == nil else { throw Errno(EEXIST) }
            try emulator.driver.createVP(index, of: id)
            do throws(Errno) {
                let file = try ProcessorFile(self, index: index)
                let descriptor = try install(file)
                state.processors[index] = file.processor
                return descriptor
            } catch {
                emulator.driver.deleteVP(index, of: id)
                throw error
            }
        }
    }
}
