import CWSLay

/// The functions that wslay calls, inside of calls that `ConsoleSocket` makes. Their last argument is that object.
enum WebSocketCallbacks {
    static var table: wslay_event_callbacks {
        var table = wslay_event_callbacks()
        table.recv_callback = receive
        table.send_callback = send
        table.on_msg_recv_callback = message
        return table
    }

    private static func owner(_ user: UnsafeMutableRawPointer) -> ConsoleSocket {
        Unmanaged<ConsoleSocket>.fromOpaque(user).takeUnretainedValue()
    }

    private static let receive: wslay_event_recv_callback = { context, buffer, length, _, user in
        guard let user, let buffer else { return -1 }
        let target = UnsafeMutableRawBufferPointer(start: buffer, count: length)
        switch owner(user).receive(into: target) {
        case nil:
            wslay_event_set_error(context, Int32(WSLAY_ERR_WOULDBLOCK.rawValue))
            return -1
        case 0:
            wslay_event_set_error(context, Int32(WSLAY_ERR_CALLBACK_FAILURE.rawValue))
            return -1
        case .some(let count): return count
        }
    }

    private static let send: wslay_event_send_callback = { context, bytes, length, _, user in
        guard let user else { return -1 }
        switch owner(user).transmit(UnsafeRawBufferPointer(start: bytes, count: length)) {
        case nil:
            wslay_event_set_error(context, Int32(WSLAY_ERR_WOULDBLOCK.rawValue))
            return -1
        case .some(let count) where count < 0:
            wslay_event_set_error(context, Int32(WSLAY_ERR_CALLBACK_FAILURE.rawValue))
            return -1
        case .some(let count): return count
        }
    }

    private static let message: wslay_event_on_msg_recv_callback = { _, argument, user in
        guard let user, let argument = argument?.pointee else { return }
        owner(user).received(
            opcode: argument.opcode, UnsafeRawBufferPointer(start: argument.msg, count: argument.msg_length))
    }
}
