import Glibc
import JSON
import LinuxSystem

/// Who holds a VM: the content of `VMFiles.lock`, which is true for as long as that file is locked.
package struct WorkerMark: Sendable, Equatable {
    package var processID: Int32
    package var runID: String

    package init(processID: Int32, runID: String) {
        self.processID = processID
        self.runID = runID
    }

    /// Writes the mark into the open lock file.
    package func write(to file: borrowing FileDescriptor) throws(Errno) {
        let json: JSONValue = ["pid": JSONValue(processID), "runId": .string(runID)]
        let bytes = json.serialized()
        let number = file.raw
        try retryingInterrupts { ftruncate(number, 0) }
        try retryingInterrupts { bytes.withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, 0) } }
    }

    /// The mark in a VM's run directory, where there is a whole one.
    package static func read(runDirectory: String) -> WorkerMark? {
        guard let bytes = try? WholeFile.read("\(runDirectory)/\(VMFiles.lock)", limit: 4096),
            let json = try? JSONValue.parse(bytes), let process = try? Fields(json).uint64("pid"),
            let run = try? Fields(json).string("runId"), let id = Int32(exactly: process), id > 0
        else { return nil }
        return WorkerMark(processID: id, runID: run)
    }
}

/// What a worker writes on the descriptor it was given to report its start.
package enum StartReport: Sendable, Equatable {
    /// The guest runs.
    case ready
    /// It does not, and why.
    case failed(String)

    package var bytes: [UInt8] {
        switch self {
        case .ready: Array("ready\n".utf8)
        case .failed(let reason): Array("failed \(reason)\n".utf8)
        }
    }

    /// Nil where the worker ended before it had written a whole report.
    package init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("\n") else { return nil }
        if text == "ready\n" {
            self = .ready
        } else if text.hasPrefix("failed ") {
            self = .failed(String(text.dropFirst(7).dropLast()))
        } else {
            return nil
        }
    }
}
