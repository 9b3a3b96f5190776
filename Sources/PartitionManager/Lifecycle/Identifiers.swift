import LinuxSystem
import Synchronization

/// Makes the ids that the server chooses.
package enum Identifiers {
    /// Lower-case hexadecimal digits from the kernel's random numbers.
    package static func random(digits: Int) -> String { random(digits, of: "0123456789abcdef") }

    /// The id of a VM whose client gave none.
    package static func vm() -> String { "vm-" + random(8, of: "abcdefghijklmnopqrstuvwxyz0123456789") }

    private static func random(_ count: Int, of alphabet: String) -> String {
        let letters = Array(alphabet)
        var generator = SystemRandomNumberGenerator()
        return String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
    }
}

/// Makes the ids of operations: `op-` and 16 hexadecimal digits that go up with every operation, also over restarts
/// and when the clock goes back.
final class OperationIdentifiers: Sendable {
    private let last: Mutex<UInt64>

    /// - Parameter lastID: the newest id that the store knows.
    init(after lastID: String?) {
        last = Mutex(lastID.flatMap { UInt64($0.dropFirst(3), radix: 16) } ?? 0)
    }

    func next() -> String {
        let number = last.withLock { last in
            last = max(realtimeNanoseconds(), last &+ 1)
            return last
        }
        let digits = String(number, radix: 16)
        return "op-" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}
