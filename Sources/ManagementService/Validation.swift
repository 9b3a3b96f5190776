import BootLoader
import Hypervisor
import PartitionManager

/// What a VM's specification must be, field by field. Pure: files are looked at elsewhere.
package enum Validation {
    package static let vpCounts = 1...254
    package static let memorySizes: ClosedRange<UInt64> = (16 << 20)...(64 << 40)
    package static let memoryStep: UInt64 = 2 << 20
    package static let maximumLabels = 64
    /// As long as x86 Linux takes; without the NUL.
    package static let maximumCommandLine = 2047
    private static let maximumPath = 4095
    /// Ten years: more than any simulated guest lives, and far from overflow.
    private static let maximumDuration: UInt64 = 315_360_000 * 1_000_000_000

    /// - Throws: `ServiceError` `.invalidArgument` with the JSON pointer of the first field at fault.
    package static func check(_ specification: VMSpecification) throws(ServiceError) {
        if let id = specification.id { try check(id: id) }
        try check(vpCount: specification.vpCount)
        if let maximum = specification.vpMaximum { try check(vpMaximum: maximum, of: specification.vpCount) }
        try check(memorySize: specification.memorySize)
        if let maximum = specification.memoryMaximum { try check(maximum: maximum, of: specification.memorySize) }
        try check(kernel: specification.kernel)
        if let initrd = specification.initrd { try check(path: initrd, field: "/boot/initrd", also: "") }
        try check(commandLine: specification.commandLine)
        try checkFormat(specification)
        try check(labels: specification.labels)
        try check(disks: specification.disks)
        if let cloudInit = specification.cloudInit { try check(cloudInit: cloudInit, disks: specification.disks) }
        try check(networkInterfaces: specification.networkInterfaces)
        try check(specification.deviceSettings, memorySize: specification.memorySize)
        try check(specification.restart)
        try checkPlacement(specification)
        try checkFeatures(specification)
        if let simulation = specification.simulation { try check(simulation) }
    }

    package static func check(id: String) throws(ServiceError) {
        let bytes = Array(id.utf8)
        let isRight =
            (1...63).contains(bytes.count) && bytes.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
            && bytes.first != UInt8(ascii: "-") && bytes.last != UInt8(ascii: "-")
        guard isRight else {
            throw ServiceError(
                .invalidArgument,
                "The id \(quoted(id)) is not one: it has 1 to 63 lower-case letters, digits and '-', and begins and "
                    + "ends with a letter or digit.", field: "/id", expected: "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
        }
    }

    private static func check(vpCount: Int) throws(ServiceError) {
        guard vpCounts.contains(vpCount) else {
            throw ServiceError(
                .invalidArgument, "A VM has 1 to 254 virtual processors, not \(vpCount).", field: "/vps/count",
                expected: "1...254")
        }
    }

    private static func check(vpMaximum: Int, of count: Int) throws(ServiceError) {
        guard vpMaximum >= count, vpMaximum <= vpCounts.upperBound else {
            throw ServiceError(
                .invalidArgument,
                "The processors' maximum is \(vpMaximum); it is at least their number, \(count), and at most 254.",
                field: "/vps/maximum", expected: "\(count)...254")
        }
    }

    private static func check(memorySize: UInt64) throws(ServiceError) {
        guard memorySizes.contains(memorySize), memorySize % memoryStep == 0 else {
            throw ServiceError(
                .invalidArgument,
                "A VM's memory is 16 MiB to 64 TiB in steps of 2 MiB, not \(memorySize) bytes.", field: "/memory/size",
                expected: "a multiple of 2 MiB, 16MiB...64TiB")
        }
    }

    private static func check(kernel: String) throws(ServiceError) {
        if kernel.isEmpty {
            throw ServiceError(
                .invalidArgument, "A VM needs a kernel to boot.", field: "/boot/kernel",
                expected: "an absolute path, or \(BootSource.demoKernel)")
        }
        if kernel == BootSource.demoKernel { return }
        try check(path: kernel, field: "/boot/kernel", also: ", or \(BootSource.demoKernel)")
    }

    static func check(path: String, field: String, also: String) throws(ServiceError) {
        guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count <= maximumPath, !hasControls(path) else {
            throw ServiceError(
                .invalidArgument,
                "\(quoted(path)) is not an absolute path on the host of at most \(maximumPath) bytes without control "
                    + "characters\(also).", field: field, expected: "an absolute path\(also)")
        }
    }

    private static func check(commandLine: String) throws(ServiceError) {
        guard commandLine.utf8.count <= maximumCommandLine else {
            throw ServiceError(
                .invalidArgument,
                "The command line has \(commandLine.utf8.count) bytes; a kernel takes at most \(maximumCommandLine).",
                field: "/boot/commandLine", expected: "at most \(maximumCommandLine) bytes")
        }
        guard !hasControls(commandLine) else {
            throw ServiceError(
                .invalidArgument,
                "The command line has a control character (a newline or NUL, mostly); it is one line.",
                field: "/boot/commandLine", expected: "one line without control characters")
        }
    }

    private static func checkFormat(_ specification: VMSpecification) throws(ServiceError) {
        let formats = BootSource.Format.allCases.map(\.rawValue).joined(separator: ", ")
        guard let format = BootSource.Format(rawValue: specification.bootFormat) else {
            throw ServiceError(
                .invalidArgument, "\(quoted(specification.bootFormat)) is not a boot format; there are \(formats).",
                field: "/boot/format", expected: formats)
        }
        guard let address = specification.loadAddress else { return }
        guard format == .flat else {
            throw ServiceError(
                .invalidArgument, "A load address is for the format flat; \(format.rawValue) images say theirs.",
                field: "/boot/loadAddress", expected: "nothing, or the format flat")
        }
        guard address < specification.memorySize else {
            throw ServiceError(
                .invalidArgument,
                "The load address \(address) is outside the VM's \(specification.memorySize) bytes of memory.",
                field: "/boot/loadAddress", expected: "less than /memory/size")
        }
    }

    package static func check(labels: [String: String]) throws(ServiceError) {
        guard labels.count <= maximumLabels else {
            throw ServiceError(
                .invalidArgument, "A VM has at most \(maximumLabels) labels, not \(labels.count).", field: "/labels",
                expected: "at most \(maximumLabels)")
        }
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            let field = "/labels/" + pointerToken(key)
            guard isLabelKey(key) else {
                throw ServiceError(
                    .invalidArgument,
                    "The label key \(quoted(key)) is not one: it has 1 to 63 letters, digits and '-', '_', '.', '/', "
                        + "and begins and ends with a letter or digit.", field: field,
                    expected: "[a-zA-Z0-9]([-a-zA-Z0-9_./]{0,61}[a-zA-Z0-9])?")
            }
            guard value.utf8.count <= 255, !hasControls(value) else {
                throw ServiceError(
                    .invalidArgument, "A label's value has at most 255 bytes and no control characters.", field: field,
                    expected: "at most 255 bytes without control characters")
            }
        }
    }

    private static func check(_ model: SimulationModel) throws(ServiceError) {
        func inRange(_ value: UInt64, _ maximum: UInt64, _ name: String) throws(ServiceError) {
            guard value > maximum else { return }
            throw ServiceError(
                .invalidArgument, "\(name) is \(value); it is at most \(maximum).", field: "/simulation/\(name)",
                expected: "0...\(maximum)")
        }
        try inRange(model.bootTime, maximumDuration, "bootTime")
        try inRange(model.busyNanosecondsPerSecond, 1_000_000_000, "busyNanosecondsPerSecond")
        if let lifetime = model.lifetime { try inRange(lifetime, maximumDuration, "lifetime") }
        guard model.banner.utf8.count <= 4096 else {
            throw ServiceError(
                .invalidArgument, "The banner has \(model.banner.utf8.count) bytes; it has at most 4096.",
                field: "/simulation/banner", expected: "at most 4096 bytes")
        }
    }

    // MARK: Characters

    static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        isLowerOrDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    private static func isLabelKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && bytes.allSatisfy { isLetterOrDigit($0) || "-_./".utf8.contains($0) }
    }

    static func hasControls(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.value < 32 || (127...159).contains($0.value) }
    }

    /// A client's text in an error message: not longer than a line, and nothing that moves a terminal's cursor.
    static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(80).map { $0.value < 32 || $0.value == 127 ? "?" : String($0) }
        return "'" + shown.joined() + (text.unicodeScalars.count > 80 ? "…'" : "'")
    }

    /// A member's name inside a JSON pointer (RFC 6901).
    static func pointerToken(_ name: String) -> String {
        name.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
            .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
    }
}
