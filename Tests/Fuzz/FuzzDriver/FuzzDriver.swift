import CLibFuzzer
import Glibc

/// libFuzzer's loop around a function that is given bytes and says whether all was well.
package enum FuzzDriver {
    package typealias Function = @Sendable (UnsafeRawBufferPointer) -> Bool
    // Written once, before the loop begins on the same thread.
    nonisolated(unsafe) private static var function: Function = { _ in true }

    /// Takes libFuzzer's options from the command line, and does not return.
    package static func run(_ function: @escaping Function) -> Never {
        Self.function = function
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(
            LLVMFuzzerRunDriver(&count, &arguments) { data, size in
                // A trap is what libFuzzer sees.
                if !FuzzDriver.function(UnsafeRawBufferPointer(start: data, count: size)) { abort() }
                return 0
            })
    }
}
