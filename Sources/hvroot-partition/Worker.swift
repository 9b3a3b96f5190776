import Glibc
import Hypervisor
import JSON
import LinuxSystem
import Log
import Virtio
import VirtualMachine
import WorkerProtocol

/// The program, from its arguments to its exit status.
enum Worker {
    /// Runs a VM until it ends.
    ///
    /// - Returns: 0 when the guest ended and its result is written; 1 when it did not start; 2 when the result could
    ///   not be written.
    static func main(_ arguments: [String]) -> Int32 {
        guard arguments.count == 2, WorkerProcess.hasLaunchDescriptors else {
            Log.error("hvroot-partition is started by hvrootd, which gives it a launch file and two descriptors")
            return 1
        }
        let start = WorkerProcess.takeLaunchDescriptors()
        let launch: WorkerLaunch
        do {
            let bytes = try WholeFile.read(arguments[1], limit: WorkerLaunch.maximumSize)
            launch = try WorkerLaunch(try JSONValue.parse(bytes))
        } catch {
            start.report(.failed("the launch file \(arguments[1]) can't be used: \(error)"))
            return 1
        }
        do throws(StartFailure) {
            let loop = try prepare(launch, lock: start.lock)
            start.report(.ready)
            return loop.run() ? 0 : 2
        } catch {
            Log.error("the VM did not start: \(error.reason)")
            // For a server that takes the place of the one that waits for the report now.
            let result = RunResult(
                runID: launch.runID, end: .failed, message: error.reason, endedAt: realtimeNanoseconds())
            try? result.write(directory: launch.directory)
            start.report(.failed(error.reason))
            return 1
        }
    }

    /// Why the VM did not start, in one sentence for its user.
    struct StartFailure: Error {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// Everything up to the guest's first instruction.
    private static func prepare(
        _ launch: WorkerLaunch, lock: borrowing FileDescriptor
    ) throws(StartFailure) -> ControlLoop {
        Log.info("the worker starts", ["vm": launch.vmID, "run": launch.runID, "pid": String(getpid())])
        try place(launch.placement)
        let control: ControlLoop
        let observer: WorkerObserver
        do {
            try WorkerProcess.harden(name: launch.vmID)
            try WorkerMark(processID: getpid(), runID: launch.runID).write(to: lock)
            let listener = try UnixSocket.listen(directory: launch.runDirectory, name: VMFiles.controlSocket)
            // From here on another process of this user can't read our memory or attach to us.
            try WorkerProcess.hide()
            let ring = try ConsoleRing.Writer("\(launch.directory)/\(VMFiles.consoleRing)")
            if let damage = ring.replaced { Log.warning("the console starts anew: \(damage)") }
            let statistics = try StatisticsPage.Writer(
                directory: launch.directory, runID: launch.runID, vpCount: launch.vpCapacity)
            observer = WorkerObserver(ring: ring, statistics: statistics, wake: try EventFD())
            control = try ControlLoop(launch: launch, listener: listener, observer: observer)
        } catch {
            throw StartFailure("the worker could not prepare itself: \(error)")
        }
        do {
            let backend = try makeBackend(launch)
            var configuration = MachineConfiguration(
                vpCount: launch.vpCount, memorySize: launch.memorySize, boot: launch.boot,
                simulation: launch.simulation)
            for (device, names) in launch.withheldFeatures.names {
                configuration.withheldFeatures[device] = FeatureNames.bits(names, of: device)
            }
            configuration.memoryBacking = launch.placement.memory
            configuration.vpProcessors = launch.placement.vps
            configuration.maximumVPCount = launch.maximumVPCount
            configuration.memoryGrowth = launch.memoryGrowth
            configuration.disks = launch.disks
            configuration.networkInterfaces = launch.networkInterfaces
            configuration.devices = launch.devices
            configuration.balloonSize = launch.balloonSize
            configuration.vsockSocket = VMFiles.vsockSocket
            configuration.runDirectory = launch.runDirectory
            // All workers of a server have this one.
            configuration.lockDirectory = launch.runDirectory + "/.."
            if launch.dumpsCore {
                configuration.coreDump = CoreDumpPlace(directory: launch.directory, name: VMFiles.core)
            }
            let machine = try Machine(configuration, on: backend, observer: observer)
            try machine.start()
            control.attach(machine, on: backend)
        } catch {
            throw StartFailure("\(error)")
        }
        return control
    }
}
