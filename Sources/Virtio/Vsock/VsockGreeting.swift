import CLinux
import Glibc
import LinuxSystem

/// A program of the host that has not said yet which port of the guest it wants.
final class VsockGreeting {
    /// `CONNECT 4294967295`, LF, and some more.
    private static let maximumSize = 32
    private static let word = Array("CONNECT ".utf8)

    let socket: FileDescriptor
    /// Monotonic nanoseconds: by then it has said it or is left.
    let deadline: UInt64

    init(_ socket: consuming FileDescriptor, deadline: UInt64) {
        self.socket = socket
        self.deadline = deadline
    }

    enum Answer {
        case incomplete
        /// The guest's port.
        case port(UInt32)
        /// It has gone, or says something else.
        case wrong
    }

    /// Reads the line, and nothing behind it: that is the guest's.
    func read() -> Answer {
        var bytes = [UInt8](repeating: 0, count: Self.maximumSize)
        let count = recv(socket.raw, &bytes, bytes.count, Int32(hv_message_flags) | Int32(MSG_PEEK))
        guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) ? .incomplete : .wrong }
        guard let end = bytes.prefix(count).firstIndex(of: UInt8(ascii: "\n")) else {
            return count < Self.maximumSize && Self.isBeginning(bytes.prefix(count)) ? .incomplete : .wrong
        }
        guard recv(socket.raw, &bytes, end + 1, Int32(hv_message_flags)) == end + 1 else { return .wrong }
        return Self.port(bytes.prefix(end)).map { .port($0) } ?? .wrong
    }

    private static func isBeginning(_ bytes: ArraySlice<UInt8>) -> Bool { zip(bytes, word).allSatisfy { $0 == $1 } }

    /// The port that a line without its LF names.
    static func port(_ line: ArraySlice<UInt8>) -> UInt32? {
        guard line.starts(with: word) else { return nil }
        let digits = line.dropFirst(word.count)
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return UInt32(String(decoding: digits, as: UTF8.self))
    }
}
