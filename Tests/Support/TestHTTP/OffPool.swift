import LinuxSystem

/// Runs blocking `body` on a thread of its own. Swift's pool has one thread for each processor; a test that blocked one
/// could starve the very server it waits for.
package func offPool<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do {
            let thread = try SystemThread(name: "test-http") {
                continuation.resume(with: Result { try body() })
            }
            thread.detach()
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
