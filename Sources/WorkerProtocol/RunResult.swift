import Glibc
import JSON
import LinuxSystem

/// How a run of a VM ended, as its worker wrote it down before it went: the truth about the end.
package struct RunResult: Sendable, Equatable {
    package enum End: String, Sendable, CaseIterable {
        case poweredOff = "powered-off"
        case stopped
        case debugExit = "debug-exit"
        /// Triple fault.
        case crashed
        /// The guest's kernel panicked and said so.
        case panicked
        /// Its watchdog expired, and was set to end it: as a power off, or as a crash.
        case watchdogPoweredOff = "watchdog-powered-off"
        case watchdogCrashed = "watchdog-crashed"
        case failed
    }

    package var runID: String
    package var end: End
    /// What the guest wrote to the debug-exit port; with `debugExit` only.
    package var code: UInt8?
    /// One sentence for people; with `crashed`, `panicked`, `watchdogCrashed` and `failed`.
    package var message: String?
    /// The core file's path, where one was written.
    package var coreDump: String?
    /// Nanoseconds since 1970.
    package var endedAt: UInt64

    package init(runID: String, end: End, code: UInt8? = nil, message: String? = nil, endedAt: UInt64) {
        self.runID = runID
        self.end = end
        self.code = code
        self.message = message
        self.endedAt = endedAt
    }

    /// Puts the result into the VM's directory, on the disk before this returns.
    package func write(directory: String) throws(Errno) {
        try WholeFile.replace(directory: directory, name: VMFiles.result, with: json.serialized(), durable: true)
    }

    /// The result in the VM's directory, where there is a whole one of the run `runID`.
    package static func read(directory: String, runID: String) -> RunResult? {
        guard let bytes = try? WholeFile.read("\(directory)/\(VMFiles.result)", limit: 1 << 16),
            let json = try? JSONValue.parse(bytes), let result = try? RunResult(json), result.runID == runID
        else { return nil }
        return result
    }

    package var json: JSONValue {
        [
            "version": 1,
            "runId": .string(runID),
            "end": .string(end.rawValue),
            "code": code.map { JSONValue($0) } ?? .null,
            "message": JSONValue(message),
            "coreDump": JSONValue(coreDump),
            "endedAt": JSONValue(endedAt),
        ]
    }

    package init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        guard try fields.uint64("version") == 1 else { throw MessageError("version: only 1 is known") }
        runID = try fields.string("runId")
        let name = try fields.string("end")
        guard let end = End(rawValue: name) else { throw MessageError("end: \(name) is not known") }
        self.end = end
        let code = try fields.optionalUInt64("code")
        guard code ?? 0 <= 255 else { throw MessageError("code: must be at most 255") }
        self.code = code.map { UInt8(truncatingIfNeeded: $0) }
        guard end != .debugExit || code != nil else { throw MessageError("code: missing for a debug exit") }
        message = try fields.optionalString("message")
        coreDump = try fields.optionalString("coreDump")
        endedAt = try fields.uint64("endedAt")
    }
}
