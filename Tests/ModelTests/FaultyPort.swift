import HypercallABI
import HypercallCore
import Synchronization

/// A hypervisor with one bug: everything goes through but what the fault says.
final class FaultyPort: HypercallPort {
    enum Fault: CaseIterable, Sendable {
        /// The second page of a deposit and later ones are not deposited, though they are said to be.
        case depositsOnlyTheFirst
        /// The third property that is set becomes 0.
        case thirdPropertyIsLost
        /// RBX (0x20003) reads as RDX (0x20002).
        case registerReadsAnother
        /// The last page of a range stays mapped.
        case unmapsOneTooFew
        /// An index that no new processor can have is refused with another status.
        case wrongStatus
    }

    private let fault: Fault
    private let port: any HypercallPort
    private let propertiesSet = Mutex(0)

    init(_ fault: Fault, _ port: any HypercallPort) {
        self.fault = fault
        self.port = port
    }

    func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        switch (fault, control.code) {
        case (.depositsOnlyTheFirst, .depositMemory), (.unmapsOneTooFew, .unmapGpaPages):
            return partly(control, input, output, most: fault == .unmapsOneTooFew ? control.repCount - 1 : 1)
        case (.thirdPropertyIsLost, .setPartitionProperty):
            let isThird = propertiesSet.withLock { count in
                count += 1
                return count == 3
            }
            let result = port.execute(control, input: input, output: output)
            guard isThird, result.status == .success, input.count >= 24 else { return result }
            var bytes = [UInt8](input)
            for index in 16..<24 { bytes[index] = 0 }
            _ = bytes.withUnsafeBytes { port.execute(control, input: $0, output: output) }
            return result
        case (.registerReadsAnother, .getVpRegisters):
            var bytes = [UInt8](input)
            for offset in stride(from: 16, to: max(16, bytes.count - 3), by: 4)
            where bytes[offset..<(offset + 4)].elementsEqual([3, 0, 2, 0]) {
                bytes[offset] = 2
            }
            return bytes.withUnsafeBytes { port.execute(control, input: $0, output: output) }
        case (.wrongStatus, .createVp):
            let result = port.execute(control, input: input, output: output)
            return result.status == .invalidVpIndex ? ResultWord(.invalidParameter) : result
        default:
            return port.execute(control, input: input, output: output)
        }
    }

    /// Does some repetitions, and says that all were done.
    private func partly(
        _ control: ControlWord, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, most: Int
    ) -> ResultWord {
        guard control.repCount > 1, control.repStart == 0, !control.hasReservedBits, most > 0 else {
            return port.execute(control, input: input, output: output)
        }
        var less = control
        less.rawValue = control.rawValue & ~(0xFFF << 32) | UInt64(most) << 32
        let result = port.execute(less, input: input, output: output)
        guard result.status == .success else { return result }
        return ResultWord(rawValue: result.rawValue & ~(0xFFF << 32) | control.rawValue & (0xFFF << 32))
    }
}
