import LinuxSystem
import Synchronization

/// The eventfds of the vectors of one function, each the message of its vector while that may be sent.
final class MSIXEvents: Sendable {
    private let host: any DeviceEvents
    private let vectors: Mutex<[Vector]>

    private struct Vector {
        /// Made when the vector is first used.
        var event: EventFD?
        var message: MSIX.Entry?
    }

    init(_ host: any DeviceEvents, vectors: Int) {
        self.host = host
        self.vectors = Mutex(Array(repeating: Vector(), count: vectors))
    }

    deinit {
        vectors.withLock { vectors in
            for vector in vectors where vector.message != nil { vector.event.map(host.removeMessage) }
        }
    }

    /// Brings the events to what the table says.
    ///
    /// - Parameter current: the message of each vector that may be sent; it is asked for with the events held, so that
    ///   of two changes the later one stays.
    func update(_ current: () -> [MSIX.Entry?]) {
        vectors.withLock { vectors in
            for (index, message) in current().enumerated() where vectors[index].message != message {
                vectors[index] = change(vectors[index], to: message)
            }
        }
    }

    private func change(_ vector: Vector, to message: MSIX.Entry?) -> Vector {
        var vector = vector
        guard let message else {
            vector.event.map(host.removeMessage)
            vector.message = nil
            return vector
        }
        if vector.event == nil { vector.event = try? EventFD() }
        guard let event = vector.event else { return vector }
        if host.setMessage(address: message.address, data: message.data, of: event) {
            vector.message = message
        } else if vector.message != nil {
            // The old message must not come any more.
            host.removeMessage(of: event)
            vector.message = nil
        }
        return vector
    }

    /// - Returns: whether the message is sent; false where its event does not stand for it.
    func signal(_ index: Int, _ message: MSIX.Entry) -> Bool {
        vectors.withLock { vectors in
            guard vectors[index].message == message, let event = vectors[index].event else { return false }
            event.signal()
            return true
        }
    }

    /// The event that stands for the message; nil where none does.
    func event(_ index: Int, _ message: MSIX.Entry) -> EventFD? {
        vectors.withLock { $0[index].message == message ? $0[index].event : nil }
    }
}
