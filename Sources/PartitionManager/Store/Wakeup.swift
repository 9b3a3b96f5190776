import CLinux
import Glibc
import LinuxSystem

/// What the manager's own threads sleep on: a count of things to do.
final class Wakeup: @unchecked Sendable {
    // Unchecked: the semaphore is made for several threads, lives at one address from init to deinit, and is never
    // replaced.
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        semaphore.initialize(to: sem_t())
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func signal() { sem_post(semaphore) }

    /// Blocks the calling thread until there is a signal, and takes it.
    func wait() { while sem_wait(semaphore) != 0, Errno.last.code == EINTR {} }

    /// Takes a signal if there is one.
    func take() -> Bool { sem_trywait(semaphore) == 0 }
}
