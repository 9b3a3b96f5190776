import Glibc
import LinuxSystem
import PartitionManager
import WorkerProtocol

/// The console logs as workers and simulated guests write them: one ring file for each VM.
package struct ConsoleRingLog: ConsoleLogReader {
    package init() {}

    package func read(vmDirectory: String, offset: Int64, limit: Int) throws(ConsoleLogError) -> ConsoleChunk {
        do throws(ConsoleRing.Failure) {
            let ring = try ConsoleRing.Reader(vmDirectory + "/" + VMFiles.consoleRing)
            let start: UInt64
            if offset < 0 {
                let total = try ring.total()
                start = total - min(total, offset.magnitude)
            } else {
                start = UInt64(offset)
            }
            let chunk = try ring.read(offset: start, limit: limit)
            return ConsoleChunk(bytes: chunk.bytes, offset: chunk.offset, nextOffset: chunk.nextOffset)
        } catch {
            // A VM that was never started has no ring.
            if case .system(let error) = error, error.code == ENOENT {
                return ConsoleChunk(bytes: [], offset: 0, nextOffset: 0)
            }
            throw ConsoleLogError("\(error)")
        }
    }
}
