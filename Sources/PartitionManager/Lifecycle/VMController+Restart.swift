import LinuxSystem
import Log

/// The restart policy at work.
extension VMController {
    /// Sees to it that the VM is started when its restart is due; nothing where none is.
    func awaitRestart() {
        guard let due = record.restarts.next, !isGone else { return }
        Task { [weak self] in
            let wait = due.subtractingClamped(realtimeNanoseconds())
            try? await Task.sleep(nanoseconds: wait)
            await self?.restart(due: due)
        }
    }

    /// Starts the VM where the restart that was due then is still wanted.
    private func restart(due: UInt64) async {
        while record.restarts.next == due, active == nil, !isGone, !core.isEnding {
            do throws(ServiceError) {
                _ = try await begin(.start, timeout: nil, isRestart: true)
                return
            } catch {
                Log.warning("a VM's restart could not begin; trying again", ["vm": id, "error": error.detail])
                try? await Task.sleep(nanoseconds: 1_000_000_000)
            }
        }
    }
}
