import CLinux
import Glibc
import JSON
import LinuxSystem
import WorkerProtocol

/// Starts a worker process and waits for its first word. Blocks: called on a thread of its own.
struct WorkerStart {
    private static let logLimit: UInt64 = 1 << 20
    /// Variables that a worker inherits; everything else of the server's environment is the server's. `LD_PRELOAD`
    /// brings the emulator of `/dev/mshv` along where the server runs under it.
    private static let variables = [
        "PATH", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "ASAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE",
    ]

    let workerPath: String
    let launch: GuestLaunch
    let limits: WorkerLimits

    /// Starts the guest.
    ///
    /// - Returns: the worker, whose guest runs.
    /// - Throws: `GuestFailure` with the worker's own words; the process is gone then.
    func run() throws(GuestFailure) -> PidFD {
        let spawned = try spawn()
        let process = spawned.process
        switch waitForReport(spawned.report) {
        case .report(.ready): return process
        case .report(.failed(let reason)):
            end(process)
            throw WorkerEnd.failure("start-failed", reason, of: launch)
        case .none:
            // The descriptor was closed without a word: the process is dying or dead.
            throw died(end(process))
        case .late:
            end(process)
            throw WorkerEnd.failure(
                "start-failed", "the VM's process was not ready after \(limits.start / 1000) seconds and was ended",
                of: launch)
        }
    }

    private struct Spawned: ~Copyable {
        let process: PidFD
        /// Where the worker says how its start went.
        let report: FileDescriptor
    }

    private func spawn() throws(GuestFailure) -> Spawned {
        do {
            for directory in [launch.directory, launch.runDirectory] {
                if mkdir(directory, 0o700) != 0, errno != EEXIST { throw Errno.last }
            }
            let lock = try takeLock()
            try WholeFile.replace(
                directory: launch.runDirectory, name: VMFiles.launch, with: launch.json.serialized(),
                durable: false)
            let log = try openLog()
            let null = try FileDescriptor(opening: "/dev/null", O_RDWR)
            var pair: [Int32] = [-1, -1]
            if hv_socket_pair(&pair) != 0 { throw Errno.last }
            let ours = FileDescriptor(owning: pair[0])
            let theirs = FileDescriptor(owning: pair[1])
            // The lock goes with the process: it ends when the process has ended, whatever becomes of the server.
            let id = try ProcessSpawn.start(
                workerPath, arguments: ["\(launch.runDirectory)/\(VMFiles.launch)"], environment: environment,
                descriptors: [null.raw, log.raw, log.raw, theirs.raw, lock.file.raw])
            do {
                return Spawned(process: try PidFD(id), report: ours)
            } catch {
                kill(id, SIGKILL)
                waitpid(id, nil, 0)
                throw error
            }
        } catch let failure as GuestFailure {
            throw failure
        } catch {
            throw GuestFailure(
                code: "start-failed", message: "the VM's process \(workerPath) could not be started: \(error)")
        }
    }

    private func takeLock() throws -> FileLock {
        do throws(Errno) {
            let lock = try FileLock("\(launch.runDirectory)/\(VMFiles.lock)")
            let number = lock.file.raw
            try retryingInterrupts { ftruncate(number, 0) }
            return lock
        } catch {
            guard error.code == EWOULDBLOCK else { throw error }
            let holder = WorkerMark.read(runDirectory: launch.runDirectory)
            throw GuestFailure(
                code: "start-failed",
                message: "another process\(holder.map { " (\($0.processID))" } ?? "") still holds this VM")
        }
    }

    private func openLog() throws(Errno) -> FileDescriptor {
        let log = try FileDescriptor(
            opening: "\(launch.directory)/\(VMFiles.workerLog)", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
        let number = log.raw
        if try log.size() > Self.logLimit { try retryingInterrupts { ftruncate(number, 0) } }
        return log
    }

    private var environment: [String] {
        Self.variables.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
    }

    private enum Word {
        case report(StartReport)
        case none
        case late
    }

    private func waitForReport(_ descriptor: borrowing FileDescriptor) -> Word {
        let deadline = monotonicNanoseconds() + UInt64(max(limits.start, 0)) * 1_000_000
        var bytes: [UInt8] = []
        while bytes.count < 1 << 16 {
            let now = monotonicNanoseconds()
            guard now < deadline else { return .late }
            var poll = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1)) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(descriptor.raw, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk.prefix(count)
        }
        return StartReport(bytes).map(Word.report) ?? .none
    }

    /// Sees the process to its end, and helps where it does not come by itself.
    @discardableResult
    private func end(_ process: PidFD) -> ProcessEnd? {
        if !process.waitForEnd(milliseconds: 1000) {
            try? process.send(signal: SIGKILL)
            _ = process.waitForEnd(milliseconds: 10_000)
        }
        return process.end()
    }

    private func died(_ end: ProcessEnd?) -> GuestFailure {
        let end = WorkerEnd.of(launch, result: nil, processEnd: end, stopWasAsked: false)
        if case .failed(var failure) = end {
            failure.message += ", before the guest ran"
            return failure
        }
        return WorkerEnd.failure("start-failed", "the VM's process ended before the guest ran", of: launch)
    }
}
