import HypercallABI

/// Moves between XMM registers and memory.
extension Execution {
    mutating func moveVector(_ operation: Operation.VectorMove) throws(Interruption) {
        try checkVectorsAreUsable()
        let (to, from) = (try operand(0), try operand(1))
        let aligned = if case .aligned = operation { true } else { false }
        let source = try place(from, for: .read, aligned: aligned)
        let destination = try place(to, for: .write, aligned: aligned)
        var value = try readWide(source)
        switch operation {
        case .aligned, .unaligned: break
        case .low(let size): value = RegisterValue(value.low & Flags.mask(size))
        case .scalar(let size):
            let low = value.low & Flags.mask(size)
            if case .vector = source, case .vector(let number) = destination {
                let old = state.xmm[number & 15]
                value = RegisterValue(low: old.low & ~Flags.mask(size) | low, high: old.high)
            } else {
                value = RegisterValue(low)
            }
        }
        try writeWide(destination, value)
    }

    /// CR0.EM or no CR4.OSFXSR: the instructions don't exist. CR0.TS: the operating system has to load the registers.
    private func checkVectorsAreUsable() throws(Interruption) {
        if state.cr0 & 1 << 2 != 0 || state.cr4 & 1 << 9 == 0 { throw fault(6, code: nil) }
        if state.cr0 & 1 << 3 != 0 { throw fault(7, code: nil) }
    }
}
