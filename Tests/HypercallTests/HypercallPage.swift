import HypercallABI
import HypercallCore

/// docs/hypercalls.md: the calls as the catalogue defines them, with the fields that the tables give their structures.
enum HypercallPage {
    static func text() throws -> String {
        var lines = [
            "# Hypercalls", "",
            "<!-- Made by scripts/generate-hypercall-docs from CallCatalogue; change that and run it again. -->", "",
            "Every call that hvroot makes as a root partition, and that its embedded hypervisor answers:"
                + " \(CallCatalogue.all.count) in all. A call's input value",
            "(the control word), its parameters and its result are laid out by `HypercallABI`, and one definition each"
                + " in `CallCatalogue`",
            "says what is on this page. Offsets and sizes are in bytes; `b` means bits from the structure's start.", "",
            "| in the column mshv | means |", "| --- | --- |",
            "| the name of an ioctl | Linux's driver makes the call itself, as part of that ioctl |",
            "| `MSHV_ROOT_HVCALL` | the driver passes the call through |",
            "| driver only | the driver makes the call by itself and offers it to nobody |",
            "| no | not in the driver |", "",
        ]
        for group in CallGroup.allCases {
            let calls = CallCatalogue.all.filter { $0.group == group }
            guard !calls.isEmpty else { continue }
            lines += ["## \(title(group))", "", "| call | code | embedded | mshv |", "| --- | --- | --- | --- |"]
            lines += calls.map { "| [\(name($0))](#\(anchor($0))) | \(hex($0.code)) | yes | \(support($0.mshv)) |" }
            lines.append("")
            for call in calls { lines += try section(call) }
        }
        lines += try others()
        return lines.joined(separator: "\n") + "\n"
    }

    private static func section(_ call: CallDefinition) throws -> [String] {
        var lines = ["### \(name(call))", "", "\(hex(call.code)). \(call.meaning)", "", form(call.form), ""]
        lines += try structure(call.input, as: "Input")
        lines += try structure(call.output, as: "Output")
        let statuses = [.success, .invalidHypercallInput] + call.statuses
        lines += ["Ends with " + statuses.map { "`\($0)`" }.joined(separator: ", ") + ".", ""]
        return lines
    }

    /// A structure with its fields; only its name where the tables do not have it (a list of numbers).
    private static func structure(_ text: String?, as role: String) throws -> [String] {
        guard let text else { return [] }
        let isList = text.hasSuffix("[]")
        let name = isList ? String(text.dropLast(2)) : text
        let each = isList ? ", for each repetition" : ""
        guard let layout = try? Fixture.layout(name) else { return ["\(role): `\(name)`\(each).", ""] }
        var lines = ["\(role): `\(name)`\(each), \(count(layout.size, "byte")).", ""]
        guard !layout.fields.isEmpty else { return lines }
        lines += ["| at | size | field |", "| --- | --- | --- |"]
        for field in layout.fields {
            if let first = field.bitOffset, let width = field.bitWidth {
                lines.append("| b\(first) | \(count(width, "bit")) | `\(field.name)` |")
            } else {
                // What follows in any number has no size.
                let size = field.size.map { $0 == 0 ? "list" : "\($0)" } ?? ""
                lines.append("| \(field.offset) | \(size) | `\(field.name)` |")
            }
        }
        return lines + [""]
    }

    private static func form(_ form: CallForm) -> String {
        var parts: [String] = []
        if let repetition = form.repetition {
            parts.append("Repeat call, of at most \(repetition.batch) repetitions at once")
            parts.append("input " + sizes(form.inputSize, repetition.inputSize))
            if form.outputSize + repetition.outputSize > 0 {
                parts.append("output " + sizes(form.outputSize, repetition.outputSize))
            }
        } else {
            parts.append("Simple call")
            let input = form.inputSize == 0 ? "no input" : "input \(count(form.inputSize, "byte"))"
            parts.append(input + (form.isFast ? " in registers" : ""))
            if form.outputSize > 0 { parts.append("output \(count(form.outputSize, "byte"))") }
        }
        if form.hasVariableHeader {
            parts.append("a variable header of 8-byte units may follow the input's fixed part")
        }
        return parts.joined(separator: "; ") + "."
    }

    /// The fixed part, and what each repetition adds.
    private static func sizes(_ fixed: Int, _ each: Int) -> String {
        if each == 0 { return count(fixed, "byte") }
        return fixed == 0
            ? "\(count(each, "byte")) for each repetition" : "\(count(fixed, "byte")) and \(each) for each repetition"
    }

    /// The calls of the tables that nobody here makes or answers.
    private static func others() throws -> [String] {
        let codes = CallCode.names.keys.filter { CallCatalogue.definition(of: $0) == nil }
        guard !codes.isEmpty else { return [] }
        let withLayout = Set(
            try Fixture.rows("hypercalls.csv").filter { $0["input_size"] != "" || $0["output_size"] != "" }
                .compactMap { $0["code"].flatMap { UInt16($0.dropFirst(2), radix: 16) } })
        let sorted = codes.sorted { $0.rawValue < $1.rawValue }
        func rows(_ codes: [CallCode]) -> [String] {
            ["| call | code |", "| --- | --- |"] + codes.map { "| \($0) | \(hex($0)) |" } + [""]
        }
        return [
            "## Not made and not answered", "",
            "The embedded hypervisor answers these with `\(HypercallStatus.invalidHypercallCode)`.", "",
            "### Layout known", "", "Calls that a guest makes for itself, or a root for its own machine.", "",
        ] + rows(sorted.filter { withLayout.contains($0.rawValue) }) + [
            "### Code known, no layout", "",
            "Calls of which no header that was read has the parameters: of guests, of debuggers, of isolated"
                + " partitions and of", "other trust levels. Nothing is guessed.", "",
        ] + rows(sorted.filter { !withLayout.contains($0.rawValue) }).dropLast()
    }

    private static func name(_ call: CallDefinition) -> String { call.code.description }

    private static func anchor(_ call: CallDefinition) -> String { name(call).lowercased() }

    private static func hex(_ code: CallCode) -> String {
        let digits = String(code.rawValue, radix: 16, uppercase: true)
        return "`0x" + String(repeating: "0", count: 4 - digits.count) + digits + "`"
    }

    private static func count(_ number: Int, _ unit: String) -> String { "\(number) \(unit)\(number == 1 ? "" : "s")" }

    private static func support(_ support: MshvSupport) -> String {
        switch support {
        case .ioctl(let name): "`\(name)`"
        case .rootHvcall: "`MSHV_ROOT_HVCALL`"
        case .driverOnly: "driver only"
        case .none: "no"
        }
    }

    private static func title(_ group: CallGroup) -> String {
        switch group {
        case .partitions: "Partitions"
        case .memory: "Memory"
        case .processors: "Processors"
        case .processorState: "State of processors"
        case .interrupts: "Interrupts"
        case .synIC: "SynIC"
        case .properties: "Properties"
        case .statistics: "Statistics"
        case .devices: "Devices"
        }
    }
}
