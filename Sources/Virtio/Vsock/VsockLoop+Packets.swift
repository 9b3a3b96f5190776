/// What each packet of the guest does.
extension VsockLoop {
    func take(_ packet: VsockPacket, _ payload: [UInt8]) {
        // Another's name: there is nobody to answer.
        guard packet.sourceCID == cid else { return }
        guard packet.destinationCID == VsockPacket.hostCID, packet.type == VsockPacket.stream,
            let operation = VsockPacket.Operation(rawValue: packet.operation)
        else {
            if packet.operation != VsockPacket.Operation.reset.rawValue { refuse(packet) }
            return
        }
        let key = VsockConnection.Key(hostPort: packet.destinationPort, guestPort: packet.sourcePort)
        guard let connection = table[key] else {
            switch operation {
            case .request: connect(key, packet)
            case .reset: return
            default: refuse(packet)
            }
            return
        }
        connection.credit.hear(packet)
        switch operation {
        // One that is there already.
        case .request: reset(connection)
        case .response: answered(connection)
        case .reset: drop(connection)
        case .shutdown: shutDown(connection, packet.flags)
        case .readWrite: receive(payload, connection)
        case .creditUpdate: return
        case .creditRequest: tell(.creditUpdate, connection)
        }
    }

    private func answered(_ connection: VsockConnection) {
        guard !connection.isEstablished else { return reset(connection) }
        connection.phase = .established
        if !connection.greet("OK \(connection.key.hostPort)\n") { programHasGone(connection) }
    }

    private func shutDown(_ connection: VsockConnection, _ flags: UInt32) {
        guard connection.isEstablished else { return reset(connection) }
        connection.guestShutdown |= flags & VsockPacket.Shutdown.both
        if flags & VsockPacket.Shutdown.receive != 0 { connection.stopReading() }
        flushOrEnd(connection)
    }

    private func flushOrEnd(_ connection: VsockConnection) {
        if connection.isDone { reset(connection) } else if connection.descriptor != nil { flush(connection) }
    }

    private func receive(_ payload: [UInt8], _ connection: VsockConnection) {
        guard connection.isEstablished, connection.guestShutdown & VsockPacket.Shutdown.send == 0,
            connection.hostShutdown & VsockPacket.Shutdown.receive == 0, connection.credit.receive(payload.count)
        else { return reset(connection) }
        guard connection.write(payload) else { return programHasGone(connection) }
        if connection.credit.shouldTell { tell(.creditUpdate, connection) }
    }
}
