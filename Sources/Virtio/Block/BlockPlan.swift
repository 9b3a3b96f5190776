import BlockStorage
import GuestMemory
import Synchronization

/// What a request asks of the image, after every check of what the guest wrote.
struct BlockPlan {
    enum Outcome {
        case operation(BlockPlan)
        /// A status, and what comes before it.
        case answer(UInt8, [UInt8])
    }

    var kind: BlockOperation.Kind
    var account: BlockAccount.Kind
    /// Bytes into the image, and how many.
    var offset: UInt64 = 0
    var count: UInt64 = 0
    /// The guest's buffers of a read or a write.
    var segments: [GuestSegment] = []

    /// Bytes that move between the guest and the image.
    var transferred: UInt64 { segments.isEmpty ? 0 : count }

    static func of(
        _ request: BlockRequest, _ target: BlockTarget, _ memory: GuestMemory, features: UInt64
    ) throws(VirtQueueError) -> Outcome {
        let refused = Outcome.answer(BlockRequest.Status.ioError, [])
        let unsupported = Outcome.answer(BlockRequest.Status.unsupported, [])
        let writesAllowed = !target.image.isReadOnly
        switch request.kind {
        case .read:
            guard let offset = range(request.sector, request.inputCount, target) else { return refused }
            return .operation(
                BlockPlan(
                    kind: .read, account: .read, offset: offset, count: request.inputCount, segments: request.input))
        case .write:
            guard writesAllowed, let offset = range(request.sector, request.outputCount, target) else {
                return refused
            }
            return .operation(
                BlockPlan(
                    kind: .write(isDurable: target.writesAreDurable(features)), account: .write, offset: offset,
                    count: request.outputCount, segments: request.output))
        case .flush: return .operation(BlockPlan(kind: .flush, account: .flush))
        case .identify:
            let room = Int(min(request.inputCount, UInt64(DiskSource.maximumSerial)))
            let padded = target.serial + [UInt8](repeating: 0, count: DiskSource.maximumSerial)
            return .answer(BlockRequest.Status.ok, Array(padded.prefix(room)))
        case .discard:
            guard features & BlockFeature.discard != 0 else { return unsupported }
            return try ranged(request, .discard, target, memory)
        case .writeZeroes:
            guard features & BlockFeature.writeZeroes != 0 else { return unsupported }
            let isDurable = target.writesAreDurable(features)
            return try ranged(request, .writeZeroes(mayUnmap: true, isDurable: isDurable), target, memory)
        case .unknown: return unsupported
        }
    }

    /// Where the bytes begin, of which there must be some, whole blocks, not too many, and all of them on the disk.
    private static func range(_ sector: UInt64, _ count: UInt64, _ target: BlockTarget) -> UInt64? {
        let block = UInt64(target.geometry.logicalBlockSize)
        let capacity = target.capacity.load(ordering: .relaxed)
        guard count > 0, count <= BlockLimit.requestSize, count % block == 0, sector <= capacity,
            count / BlockLimit.sector <= capacity - sector
        else { return nil }
        // No overflow: the capacity is that of a file.
        let offset = sector * BlockLimit.sector
        return offset % block == 0 ? offset : nil
    }

    private static func ranged(
        _ request: BlockRequest, _ kind: BlockOperation.Kind, _ target: BlockTarget, _ memory: GuestMemory
    ) throws(VirtQueueError) -> Outcome {
        let isDiscard = kind == .discard
        let refused = Outcome.answer(BlockRequest.Status.ioError, [])
        // One range, as the configuration says.
        guard !target.image.isReadOnly, request.outputCount == UInt64(BlockRange.size),
            let range = BlockRange(try request.output.copy(BlockRange.size, memory))
        else { return refused }
        // Bit 0 allows unmapping; for a discard it has no meaning and must be 0.
        guard range.flags & ~(isDiscard ? 0 : 1) == 0 else {
            return .answer(BlockRequest.Status.unsupported, [])
        }
        let capacity = target.capacity.load(ordering: .relaxed)
        let limit = isDiscard ? BlockLimit.discardSectors : BlockLimit.writeZeroesSectors
        let block = UInt64(target.geometry.logicalBlockSize) / BlockLimit.sector
        guard range.sectors > 0, range.sectors <= limit, range.sector <= capacity,
            UInt64(range.sectors) <= capacity - range.sector, range.sector % block == 0,
            UInt64(range.sectors) % block == 0
        else { return refused }
        var planned = kind
        if case .writeZeroes(_, let isDurable) = kind {
            planned = .writeZeroes(mayUnmap: range.flags & 1 != 0, isDurable: isDurable)
        }
        return .operation(
            BlockPlan(
                kind: planned, account: isDiscard ? .discard : .write, offset: range.sector * BlockLimit.sector,
                count: UInt64(range.sectors) * BlockLimit.sector))
    }
}

extension BlockAccount.Kind {
    /// How a request counts; nil for those that never reach an image.
    init?(_ kind: BlockRequest.Kind) {
        switch kind {
        case .read: self = .read
        case .write, .writeZeroes: self = .write
        case .flush: self = .flush
        case .discard: self = .discard
        case .identify, .unknown: return nil
        }
    }
}
