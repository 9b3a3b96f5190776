import BootLoader
import Glibc
import Hypervisor
import LinuxSystem
import Synchronization

/// A machine of text only, so that the worker can be tried before there is a real one: it speaks like the demo guest.
package final class Machine: Sendable {
    private struct State {
        var isPaused = false
        var input: [UInt8] = []
        var line: [UInt8] = []
        var ended = false
        var resets = 0
    }
    private let state = Mutex(State())
    private let observer: any MachineObserver
    private let configuration: MachineConfiguration
    private let wake: EventFD

    package init(
        _ configuration: MachineConfiguration, on backend: any HypervisorBackend, observer: any MachineObserver
    ) throws(MachineError) {
        guard configuration.boot.kernel == "builtin:demo" else { throw MachineError("kernel: no such image") }
        self.configuration = configuration
        self.observer = observer
        do { wake = try EventFD() } catch { throw MachineError("\(error)") }
    }

    package func start() throws(MachineError) {
        do {
            try SystemThread(name: "vp0") { self.run() }.detach()
        } catch { throw MachineError("\(error)") }
    }

    private func run() {
        observer.machineDidStart(vp: 0, thread: SystemThread.currentID)
        print("hvroot demo guest\nready> ")
        var resets = 0
        while true {
            usleep(5000)
            let (byte, ended, reset, paused) = state.withLock { state in
                (state.isPaused || state.input.isEmpty ? nil : state.input.removeFirst(), state.ended,
                 state.resets, state.isPaused)
            }
            if ended {
                observer.machineDidEnd(.stopped)
                return
            }
            if paused { continue }
            if reset != resets {
                resets = reset
                observer.machineDidReset()
                print("hvroot demo guest\nready> ")
            }
            guard let byte else { continue }
            observer.machineDidExit(vp: 0, reason: .portRead)
            if byte != 10 {
                state.withLock { $0.line.append(byte) }
                continue
            }
            let line = state.withLock { state in
                defer { state.line = [] }
                return String(decoding: state.line, as: UTF8.self)
            }
            if line.hasPrefix("echo ") { print(line.dropFirst(5) + "\n") }
            if line == "poweroff" { return observer.machineDidEnd(.poweredOff) }
            if line == "crash" { return observer.machineDidEnd(.crashed("triple fault")) }
            if line.hasPrefix("exit ") {
                return observer.machineDidEnd(.debugExit(code: UInt8(line.dropFirst(5)) ?? 0))
            }
            print("ready> ")
        }
    }

    private func print(_ text: String) {
        for byte in text.utf8 {
            withUnsafeBytes(of: byte) { observer.machineDidPrint($0) }
            observer.machineDidExit(vp: 0, reason: .portWrite)
        }
    }

    package func pause() { state.withLock { $0.isPaused = true } }
    package func resume() { state.withLock { $0.isPaused = false } }
    package func reset() { state.withLock { $0.resets += 1 } }
    package func pressPowerButton() {}
    package func stop() { state.withLock { $0.ended = true } }
    package func receive(_ bytes: [UInt8]) -> Int {
        state.withLock { $0.input += bytes }
        return bytes.count
    }
    package var memoryMapped: UInt64 { configuration.memorySize }
    package var memoryDeposited: UInt64 { 1 << 20 }
    package var isPaused: Bool { state.withLock { $0.isPaused } }
}
