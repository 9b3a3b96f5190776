import BootLoader
import Glibc
import HostInventory
import Hypervisor
import LinuxSystem
import Log
import ManagementService
import PartitionManager
import RESTServer

/// What the options say, checked.
struct ServerOptions {
    var listen: [ListenAddress]
    var stateDirectory: String
    var runDirectory: String
    var hypervisor: HypervisorRequest
    var workerPath: String
    var admission: AdmissionPolicy
}

/// The server's parts, put together; returns after `ending`'s signal, when all is closed.
func serve(_ options: ServerOptions, until ending: EndingSignals) async throws {
    raiseDescriptorLimit()
    let choice = try HypervisorSelection.choose(options.hypervisor, workerPath: options.workerPath)
    let description = choice.description
    Log.info(
        "hypervisor chosen",
        [
            "hypervisor": description.kind.rawValue, "requested": choice.requested.rawValue,
            "emulated": description.isEmulated ? "true" : "false", "reason": choice.reason,
        ])
    var manager = ManagerConfiguration(
        stateDirectory: options.stateDirectory, runDirectory: options.runDirectory)
    // Simulated guests share one thread and start in microseconds; workers are processes.
    if description.isSimulated { manager.concurrentLaunches = 64 }
    var configuration = ServiceConfiguration(
        manager: manager,
        hypervisor: HypervisorResource(
            kind: description.kind.rawValue, detail: description.detail, isEmulated: description.isEmulated,
            isSimulated: description.isSimulated, requested: choice.requested.rawValue, reason: choice.reason),
        version: hvrootVersion)
    configuration.admission = options.admission
    let service = try ManagementService(
        configuration: configuration, launcher: choice.launcher, console: ConsoleRingLog(),
        validateBoot: { source, memorySize throws(BootError) in
            _ = try BootImage.inspect(source, memorySize: memorySize)
        })
    let server = RESTServer(service: service, configuration: RESTConfiguration(listen: options.listen))
    do {
        try server.start()
    } catch {
        await service.shutdown()
        throw error
    }
    await service.start()
    Log.info("ready", ["state": options.stateDirectory, "run": options.runDirectory])
    let signal = await ending.wait()
    Log.info("ending; guests go on", ["signal": signal == SIGINT ? "SIGINT" : "SIGTERM"])
    server.stop()
    await service.shutdown()
}

/// Each VM costs the server a few descriptors, each client one.
private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
