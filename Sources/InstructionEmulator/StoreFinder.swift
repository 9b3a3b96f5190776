/// Finds the instruction that made a store, from where the processor stands after it.
///
/// KVM reports a write to a device when the instruction pointer is already past the instruction, whose start nobody
/// knows: instructions can't be decoded backwards. So every start is tried.
package enum StoreFinder {
    /// A write as it was observed, of 1 to 8 bytes.
    package struct Store: Equatable, Sendable {
        package var gpa: UInt64
        package var size: UInt8
        package var value: UInt64

        package init(gpa: UInt64, size: UInt8, value: UInt64) {
            self.gpa = gpa
            self.size = size
            self.value = value & Flags.mask(Int(size))
        }
    }

    package struct Instruction: Equatable, Sendable {
        /// In bytes.
        package var length: Int
        /// The processor before the instruction: its instruction pointer, and its registers where a string
        /// instruction, PUSH or POP moves them. Of a repeated instruction it is the last element.
        package var before: GuestState
    }

    /// The instruction that ends where the code ends and makes this store.
    ///
    /// Where several fit, they have the same effect: the shortest is taken (a longer one begins with the end of what
    /// stands before), but of a string instruction the one with its REP. A read-modify-write of a device fits with any
    /// value, and only when nothing else does: what it read is not known.
    ///
    /// - Parameters:
    ///   - code: up to 15 bytes, the last of them just before the instruction pointer.
    ///   - state: the processor after the instruction.
    ///   - memory: nothing is written to it.
    /// - Returns: nil when no instruction fits.
    package static func instructionBefore(
        code: [UInt8], state: GuestState, store: Store, memory: inout some GuestAddressSpace
    ) -> Instruction? {
        let state = state.complete
        var exact: Instruction?
        var likely: Instruction?
        for length in 1...15 where length <= code.count {
            let decoded = Decoder.decode(Array(code.suffix(length)), mode: ProcessorMode(state))
            guard case .instruction(let instruction) = decoded, instruction.length == length,
                let before = instruction.undone(state)
            else { continue }
            let found = Instruction(length: length, before: before)
            switch fit(instruction, before, store, &memory) {
            case .exact where exact == nil || instruction.isRepeatedString: exact = found
            case .likely where likely == nil: likely = found
            default: break
            }
        }
        return exact ?? likely
    }

    private enum Fit {
        case exact, likely, none
    }

    /// No instruction asks for more than this; it bounds the loop.
    private static let maximumRequests = 64

    /// Runs an element with no effect and looks for the store among its writes to devices.
    private static func fit(
        _ instruction: InstructionEmulator.Instruction, _ before: GuestState, _ store: Store,
        _ memory: inout some GuestAddressSpace
    ) -> Fit {
        var answers: [UInt64] = []
        var fit = Fit.none
        var readsDevice = false
        while answers.count < maximumRequests {
            var execution = Execution(instruction, state: before, answers: answers)
            do throws(Interruption) {
                _ = try execution.run()
                return fit
            } catch {
                guard case .request(let request) = error else { return .none }
                switch request {
                case .translate, .readPort, .writePort:
                    guard let answer = try? request.fulfilled(by: &memory) else { return .none }
                    answers.append(answer)
                case .read:
                    let answer = try? request.fulfilled(by: &memory)
                    readsDevice = readsDevice || answer == nil
                    answers.append(answer ?? 0)
                case .write(let gpa, let count, let value):
                    let isDevice = memory.read(gpa, count: count) == nil
                    if isDevice, gpa == store.gpa, count == Int(store.size) {
                        if readsDevice { fit = .likely } else if value == store.value { fit = .exact }
                    }
                    answers.append(0)
                }
            }
        }
        return .none
    }
}

extension Instruction {
    fileprivate var isRepeatedString: Bool {
        if case .string = operation { repetition != nil } else { false }
    }

    /// The registers before the instruction, from those after it; nil when it can't be what just ended.
    fileprivate func undone(_ after: GuestState) -> GuestState? {
        var before = after
        before.rip = (after.rip &- UInt64(length)) & mode.linearMask
        func move(_ number: Int, by distance: UInt64, size: Int) {
            let kept = size >= 4 ? 0 : ~Flags.mask(size)
            let value = before.general[number]
            before.general[number] = value & kept | (value &+ distance) & Flags.mask(size)
        }
        switch operation {
        case .string:
            guard let element = (source ?? destination)?.size else { return nil }
            let step = UInt64(element)
            let distance = after.rflags & Flags.direction != 0 ? step : 0 &- step
            if source != nil { move(6, by: distance, size: addressSize) }
            if destination != nil { move(7, by: distance, size: addressSize) }
            if repetition != nil {
                guard after.general[1] & Flags.mask(addressSize) == 0 else { return nil }
                move(1, by: 1, size: addressSize)
            }
        case .push: move(4, by: UInt64(operandSize), size: after.stackAddressSize(mode))
        case .pop: move(4, by: 0 &- UInt64(operandSize), size: after.stackAddressSize(mode))
        case .call, .jump: return nil
        default: break
        }
        return before
    }
}
