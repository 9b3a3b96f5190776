import ArgumentParser
import Glibc
import LinuxSystem

/// Runs a program for which /dev/mshv is there.
struct MshvEmulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mshv-emulate",
        abstract: "Runs a program with an emulated /dev/mshv, on a machine with /dev/kvm.",
        discussion: """
            The program, and those that it starts, find /dev/mshv as on a host that is the root of the Microsoft \
            hypervisor. Guests run on /dev/kvm. What is faithful and what is not: docs/mshv-emulator.md.

            The library is preloaded (LD_PRELOAD). That has no effect on a program that is linked statically, makes \
            system calls without the C library (Go), or has the set-user-ID bit.
            """)

    @Option(help: "The library; without it, libhvroot-mshv-emulator.so in hvrootctl's own directory.")
    var library: String?

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
    var command: [String] = []

    func run() throws {
        var command = command
        if command.first == "--" { command.removeFirst() }
        guard let program = command.first else {
            throw ValidationError("Which program? hvrootctl mshv-emulate -- PROGRAM ARGUMENT...")
        }
        let library = try PreloadLibrary.find(named: self.library)
        try PreloadTarget.check(program)
        try PreloadLibrary.preload(library)
        // Only comes back where it fails.
        let error = Self.execute(command)
        throw PreloadFailure("\(program) can't be started: \(error)")
    }

    private static func execute(_ command: [String]) -> Errno {
        var arguments = command.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        guard let program = arguments[0] else { return Errno(ENOMEM) }
        execvp(program, arguments)
        return Errno.last
    }
}

/// Why a program was not started; printed as it is.
struct PreloadFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
