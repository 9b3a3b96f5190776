import ArgumentParser

/// The command line of hvroot.
@main
struct Hvrootctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hvrootctl", abstract: "Works with hvroot from the command line.",
        subcommands: [MshvEmulate.self])
}
