import HypercallABI

extension HypercallDispatcher {
    func partitions(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .createPartition:
            let partition = try handler.createPartition(CreatePartitionInput(decoding: call.input))
            try PartitionIDField(partition).encode(into: call.output)
        case .initializePartition:
            try handler.initializePartition(PartitionIDField(decoding: call.input).partition)
        case .finalizePartition:
            try handler.finalizePartition(PartitionIDField(decoding: call.input).partition)
        case .deletePartition:
            try handler.deletePartition(PartitionIDField(decoding: call.input).partition)
        case .getPartitionProperty:
            let value = try handler.getPartitionProperty(GetPartitionPropertyInput(decoding: call.input))
            try call.output.write(value, at: 0)
        case .setPartitionProperty:
            try handler.setPartitionProperty(SetPartitionPropertyInput(decoding: call.input))
        case .getPartitionId: try PartitionIDField(handler.getPartitionID()).encode(into: call.output)
        case .getNextChildPartition:
            let child = try handler.getNextChildPartition(NextChildPartitionInput(decoding: call.input))
            try PartitionIDField(child).encode(into: call.output)
        case .notifyPartitionEvent:
            try handler.notifyPartitionEvent(NotifyPartitionEventInput(decoding: call.input))
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
