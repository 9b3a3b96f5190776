import HypercallABI

extension HypercallDispatcher {
    func synIC(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .createPort: try handler.createPort(CreatePortInput(decoding: call.input))
        case .deletePort: try handler.deletePort(DeletePortInput(decoding: call.input))
        case .connectPort: try handler.connectPort(ConnectPortInput(decoding: call.input))
        case .disconnectPort: try handler.disconnectPort(DisconnectPortInput(decoding: call.input))
        case .notifyPortRingEmpty: try handler.notifyPortRingEmpty(NotifyPortRingEmptyInput(decoding: call.input))
        case .postMessage: try handler.postMessage(PostMessageInput(decoding: call.input))
        case .signalEvent: try handler.signalEvent(SignalEventInput(decoding: call.input))
        case .postMessageDirect: try handler.postMessageDirect(PostMessageDirectInput(decoding: call.input))
        case .signalEventDirect:
            let isNew = try handler.signalEventDirect(SignalEventDirectInput(decoding: call.input))
            try call.output.zero(SignalEventDirectInput.outputSize)
            try call.output.write(isNew ? 1 : 0 as UInt8, at: 0)
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
