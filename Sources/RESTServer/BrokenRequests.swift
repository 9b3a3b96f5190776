import Glibc
import Synchronization

/// Finds clients that went away in the middle of a body.
///
/// libmicrohttpd's epoll threads miss an end that comes together with the last bytes: a read that got less than it asked
/// for counts as "nothing is there", and the descriptor, which is edge-triggered, tells of the end no more (0.9.75). The
/// connection would live until its idle timeout, and with it the unfinished file and its name.
final class BrokenRequests: Sendable {
    private struct Watch {
        let socket: Int32
        /// The end was there at the look before.
        var isSuspect = false
    }

    private let watches = Mutex<[ObjectIdentifier: Watch]>([:])

    /// From now on `request` waits for more of its body.
    func insert(_ request: RequestContext, socket: Int32) {
        watches.withLock { $0[ObjectIdentifier(request)] = Watch(socket: socket) }
    }

    /// The request waits no more. From here on its socket may be closed.
    func remove(_ request: RequestContext) {
        _ = watches.withLock { $0.removeValue(forKey: ObjectIdentifier(request)) }
    }

    /// Called each second. A connection whose end was there twice, with nothing left to read before it, is broken: the
    /// thread that it belongs to had time to see that itself.
    func look() {
        watches.withLock { watches in
            for (key, watch) in watches {
                var byte: UInt8 = 0
                let isAtEnd = recv(watch.socket, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 0
                // This wakes its thread, which closes it.
                if isAtEnd, watch.isSuspect { shutdown(watch.socket, Int32(SHUT_RDWR)) }
                watches[key]?.isSuspect = isAtEnd
            }
        }
    }
}
