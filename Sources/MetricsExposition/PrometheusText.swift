/// A writer of the Prometheus text format, version 0.0.4. A family's samples follow its head without a gap; the caller
/// writes one family after the other.
struct PrometheusText {
    private(set) var text = ""

    enum Kind: String {
        case counter, gauge, histogram
    }

    /// Begins a family.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: UInt64) {
        head(name, labels)
        text += " \(value)\n"
    }

    mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: Double) {
        head(name, labels)
        text += " \(value)\n"
    }

    private mutating func head(_ name: String, _ labels: KeyValuePairs<String, String>) {
        text += name
        guard !labels.isEmpty else { return }
        var separator = "{"
        for (label, value) in labels {
            text += "\(separator)\(label)=\""
            appendEscaped(value)
            text += "\""
            separator = ","
        }
        text += "}"
    }

    /// In a label's value, backslash, quote and line feed are escaped; nothing else is.
    private mutating func appendEscaped(_ value: String) {
        guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else {
            text += value
            return
        }
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }
}
