import Glibc
import LinuxSystem
import Log
import Synchronization

/// The durable state of a server: one SQLite file in the state directory, written by one thread of its own.
///
/// Transactions that wait at the same time are committed together, each in a savepoint: one that fails takes no other
/// with it, and a thousand VMs that start at once cost a few syncs of the disk.
package final class StateStore: Sendable {
    /// How many ended operations and events are kept.
    package static let keptOperations = 10_000
    package static let keptEvents = 10_000
    private static let jobsPerCommit = 256

    private struct Job: Sendable {
        /// Runs the body; what it returns is to be called when all is durable.
        let execute: @Sendable (borrowing StoreTransaction) throws(StoreError) -> @Sendable () -> Void
        let fail: @Sendable (StoreError) -> Void
    }

    private struct Queue {
        var jobs: [Job] = []
        var isClosed = false
        var isDiscarding = false
        var whenEnded: [@Sendable () -> Void] = []
        var hasEnded = false
    }

    private let queue = Mutex(Queue())
    private let wakeup = Wakeup()
    package let path: String
    /// How many commits there were, for tests of their grouping.
    private let commits = Atomic<UInt64>(0)
    package var commitCount: UInt64 { commits.load(ordering: .relaxed) }

    /// Opens the store of `directory` (made where missing) and reads all of it. Blocks; for the start of a program.
    ///
    /// - Throws: `StoreError`, `.locked` when an other server uses the directory.
    package static func open(directory: String) throws(StoreError) -> (store: StateStore, state: StoredState) {
        do {
            try DirectoryTree.create(directory)
        } catch {
            throw StoreError(.inputOutput, "the state directory \(directory) can't be made: \(error)")
        }
        let lock = try StateDirectoryLock(directory: directory)
        let path = directory + "/state.db"
        let database = try SQLiteDatabase(path: path)
        // Specifications hold what guests' owners keep secret. SQLite gives its other files the same mode.
        chmod(path, 0o600)
        try StateSchema.prepare(database, path: path)
        var state = try StoredState(reading: database)
        if state.installID.isEmpty {
            state.installID = Identifiers.random(digits: 32)
            try StoreTransaction(database: database).putMeta("install_id", state.installID)
        }
        let store = StateStore(path: path)
        let writer = Writer(database: database, lock: lock)
        do throws(Errno) {
            try SystemThread(name: "state-store") { store.work(writer) }.detach()
        } catch {
            throw StoreError(.other, "no thread for the state store: \(error)")
        }
        return (store, state)
    }

    private init(path: String) { self.path = path }

    /// Runs `body` in a transaction. It is durable when this returns.
    ///
    /// - Parameters:
    ///   - body: runs on the store's thread; it only writes, may run in any grouping with others' bodies, and runs again where the
    ///     grouping failed.
    ///   - committed: is called on the store's thread after the commit and before this returns, in the order of the
    ///     transactions: what others may see of the change is published by it.
    /// - Throws: what `body` throws, or why the commit failed. Nothing was written then.
    @discardableResult
    package func write<T: Sendable>(
        _ body: @escaping @Sendable (borrowing StoreTransaction) throws(StoreError) -> T,
        committed: @escaping @Sendable (T) -> Void = { _ in }
    ) async throws(StoreError) -> T {
        let result: Result<T, StoreError> = await withCheckedContinuation { continuation in
            let job = Job(
                execute: { transaction throws(StoreError) in
                    let value = try body(transaction)
                    return {
                        committed(value)
                        continuation.resume(returning: .success(value))
                    }
                },
                fail: { continuation.resume(returning: .failure($0)) })
            let isClosed = queue.withLock { queue in
                if !queue.isClosed { queue.jobs.append(job) }
                return queue.isClosed
            }
            if isClosed { job.fail(.closed) } else { wakeup.signal() }
        }
        return try result.get()
    }

    /// Ends the store: waits till what was given before is committed and the state directory is free again.
    ///
    /// - Parameter discarding: what waits is not written but fails, as if the server had been killed.
    package func close(discarding: Bool = false) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let hasEnded = queue.withLock { queue in
                queue.isClosed = true
                queue.isDiscarding = queue.isDiscarding || discarding
                if !queue.hasEnded { queue.whenEnded.append { continuation.resume() } }
                return queue.hasEnded
            }
            if hasEnded { continuation.resume() } else { wakeup.signal() }
        }
    }

    // MARK: The writer's thread

    /// What only the writer's thread touches.
    private final class Writer: @unchecked Sendable {
        // Unchecked: handed to the one thread that uses it before that thread starts.
        private(set) var database: SQLiteDatabase?
        private var lock: StateDirectoryLock?
        var jobsSinceTrim = 0

        init(database: SQLiteDatabase, lock: consuming StateDirectoryLock) {
            self.database = database
            self.lock = consume lock
        }

        /// The file first, then the directory.
        func close() {
            database = nil
            lock = nil
        }
    }

    private func work(_ writer: Writer) {
        while true {
            wakeup.wait()
            while wakeup.take() {}
            var isClosed = false
            while true {
                let (jobs, closed, discarding) = queue.withLock { queue in
                    let jobs = Array(queue.jobs.prefix(StateStore.jobsPerCommit))
                    queue.jobs.removeFirst(jobs.count)
                    return (jobs, queue.isClosed, queue.isDiscarding)
                }
                isClosed = closed
                if jobs.isEmpty { break }
                if discarding { for job in jobs { job.fail(.closed) } } else { commit(jobs, writer) }
            }
            if isClosed { break }
        }
        writer.close()
        let waiting = queue.withLock { queue in
            queue.hasEnded = true
            return queue.whenEnded
        }
        for resume in waiting { resume() }
    }

    private func commit(_ jobs: [Job], _ writer: Writer) {
        guard let database = writer.database else { return }
        var finished: [(job: Job, publish: @Sendable () -> Void)] = []
        var failed: [(job: Job, error: StoreError)] = []
        do throws(StoreError) {
            try database.run("BEGIN IMMEDIATE")
            for job in jobs {
                try database.run("SAVEPOINT job")
                do throws(StoreError) {
                    let publish = try job.execute(StoreTransaction(database: database))
                    try database.run("RELEASE job")
                    finished.append((job, publish))
                } catch {
                    // Some failures (a full disk) end the whole transaction: then those before have failed too.
                    guard database.isInTransaction else { throw error }
                    try database.run("ROLLBACK TO job")
                    try database.run("RELEASE job")
                    failed.append((job, error))
                }
            }
            trimAfter(jobs.count, writer, database)
            try database.run("COMMIT")
        } catch {
            if database.isInTransaction { try? database.run("ROLLBACK") }
            if jobs.count > 1 {
                // One that asks for too much must not fail those that chance put beside it.
                for job in jobs { commit([job], writer) }
                return
            }
            Log.error("the state store failed", ["error": error.description])
            for job in jobs { job.fail(error) }
            return
        }
        commits.add(1, ordering: .relaxed)
        for (job, error) in failed { job.fail(error) }
        for (_, publish) in finished { publish() }
    }

    /// Now and then forgets what is too old; that this fails costs only room.
    ///
    /// Never inlined: Swift 6.3.1's optimizer crashes on inlining a call with this non-copyable argument.
    @inline(never)
    private func trimAfter(_ jobs: Int, _ writer: Writer, _ database: SQLiteDatabase) {
        writer.jobsSinceTrim += jobs
        guard writer.jobsSinceTrim >= 1024 else { return }
        writer.jobsSinceTrim = 0
        try? StoreTransaction(database: database)
            .trim(events: StateStore.keptEvents, operations: StateStore.keptOperations)
    }
}
