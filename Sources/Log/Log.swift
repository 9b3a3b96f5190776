import Glibc
import LinuxSystem
import Synchronization

/// How much a log line matters; lines below the chosen level are not written.
package enum LogLevel: Int, Sendable, CaseIterable, Comparable {
    case debug, info, warning, error

    package init?(name: String) {
        guard let level = LogLevel.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    package var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// Lines to standard error: `TIME LEVEL message key=value …` (logfmt), each written in one call so that lines of
/// several threads never mix. This small type instead of a logging package: the worker process, one for each VM, is
/// kept free of everything it does not need.
package enum Log {
    private static let threshold = Atomic<Int>(LogLevel.info.rawValue)

    /// The least level that is written. Set once, when the program starts.
    package static var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .info }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    package static func debug(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.debug, message, fields)
    }
    package static func info(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.info, message, fields)
    }
    package static func warning(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.warning, message, fields)
    }
    package static func error(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, String> = [:]) {
        write(.error, message, fields)
    }

    private static func write(
        _ level: LogLevel, _ message: () -> String, _ fields: KeyValuePairs<String, String>
    ) {
        guard level >= self.level else { return }
        var line = "\(rfc3339(realtimeNanoseconds())) \(level.name) \(escaped(message()))"
        for (key, value) in fields { line += " \(key)=\(quoted(value))" }
        line += "\n"
        _ = line.withUTF8 { Glibc.write(2, $0.baseAddress, $0.count) }
    }

    /// A guest or a client must not be able to forge a line: control characters are shown, not sent.
    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else { return text }
        return text.unicodeScalars.map { scalar in
            scalar.value < 32 || scalar.value == 127
                ? "\\u{" + String(scalar.value, radix: 16) + "}" : String(scalar)
        }.joined()
    }

    private static func quoted(_ value: String) -> String {
        let safe = escaped(value)
        guard safe.isEmpty || safe.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return safe }
        return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
    }
}
