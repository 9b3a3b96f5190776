/// What a driver is to be told after its queues were served. Told without a lock of the device.
enum QueueOutcome {
    case nothing
    /// Something was given back in a queue, and the driver wants to know.
    case used(any VirtioSignals, Int)
    case broken(any VirtioSignals, VirtQueueError)

    func signal() {
        switch self {
        case .nothing: return
        case .used(let signals, let queue): signals.queueWasUsed(queue)
        case .broken(let signals, let error): signals.needsReset(error)
        }
    }
}
