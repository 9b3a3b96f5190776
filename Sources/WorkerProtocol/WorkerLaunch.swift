import BlockStorage
import BootLoader
import Hypervisor
import JSON
import NetworkBackends

/// What a worker is started from: the content of `VMFiles.launch`.
package struct WorkerLaunch: Sendable, Equatable {
    package var vmID: String
    /// Different for each start of the VM.
    package var runID: String
    /// The VM's own directory.
    package var directory: String
    /// The VM's directory under the run directory.
    package var runDirectory: String
    package var partitionID: UInt64
    /// 1...254.
    package var vpCount: Int
    /// Bytes.
    package var memorySize: UInt64
    /// Bytes by which it can grow while the guest runs.
    package var memoryGrowth: UInt64 = 0
    package var boot: BootSource
    package var simulation: SimulationModel
    /// Which hypervisor the worker makes its partition on.
    package var hypervisor = HypervisorKind.kvm
    package var disks: [DiskSource] = []
    package var networkInterfaces: [NetworkSource] = []
    /// Whether a core file (`VMFiles.core`) is written when the guest crashes.
    package var dumpsCore = false

    package init(
        vmID: String, runID: String, directory: String, runDirectory: String, partitionID: UInt64, vpCount: Int,
        memorySize: UInt64, boot: BootSource, simulation: SimulationModel
    ) {
        self.vmID = vmID
        self.runID = runID
        self.directory = directory
        self.runDirectory = runDirectory
        self.partitionID = partitionID
        self.vpCount = vpCount
        self.memorySize = memorySize
        self.boot = boot
        self.simulation = simulation
    }

    /// A launch file of at most this many bytes is read.
    package static let maximumSize = 1 << 20

    package var json: JSONValue {
        [
            "version": 1,
            "vmId": .string(vmID),
            "runId": .string(runID),
            "directory": .string(directory),
            "runDirectory": .string(runDirectory),
            "partitionId": JSONValue(partitionID),
            "vpCount": JSONValue(vpCount),
            "memorySize": JSONValue(memorySize),
            "memoryGrowth": JSONValue(memoryGrowth),
            "hypervisor": .string(hypervisor.rawValue),
            "disks": .array(disks.map(\.json)),
            "networkInterfaces": .array(networkInterfaces.map(\.json)),
            "dumpsCore": .bool(dumpsCore),
            "boot": [
                "kernel": .string(boot.kernel),
                "initrd": JSONValue(boot.initrd),
                "commandLine": .string(boot.commandLine),
                "format": .string(boot.format.rawValue),
                "loadAddress": boot.loadAddress.map { JSONValue($0) } ?? .null,
            ],
            "simulation": [
                "seed": JSONValue(simulation.seed),
                "bootTime": JSONValue(simulation.bootTime),
                "banner": .string(simulation.banner),
                "busyNanosecondsPerSecond": JSONValue(simulation.busyNanosecondsPerSecond),
                "lifetime": simulation.lifetime.map { JSONValue($0) } ?? .null,
            ],
        ]
    }

    package init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        guard try fields.uint64("version") == 1 else { throw MessageError("version: only 1 is known") }
        vmID = try fields.string("vmId")
        runID = try fields.string("runId")
        directory = try fields.string("directory")
        runDirectory = try fields.string("runDirectory")
        partitionID = try fields.uint64("partitionId")
        let vps = try fields.uint64("vpCount")
        guard let count = Int(exactly: vps), StatisticsPage.vpCounts.contains(count) else {
            throw MessageError("vpCount: \(vps); 1 to 254 are allowed")
        }
        vpCount = count
        memorySize = try fields.uint64("memorySize")
        memoryGrowth = try fields.optionalUInt64("memoryGrowth") ?? 0
        // A server before there was a choice does not say it.
        let kind = try fields.optionalString("hypervisor") ?? HypervisorKind.kvm.rawValue
        guard let hypervisor = HypervisorKind(rawValue: kind) else {
            throw MessageError("hypervisor: \(kind) is not known")
        }
        self.hypervisor = hypervisor
        disks = try DiskSource.list(json["disks"])
        networkInterfaces = try NetworkSource.list(json["networkInterfaces"])
        dumpsCore = json["dumpsCore"]?.bool ?? false
        let boot = Fields(json["boot"] ?? .null)
        let format = try boot.string("format")
        guard let known = BootSource.Format(rawValue: format) else {
            throw MessageError("format: \(format) is not known")
        }
        self.boot = BootSource(
            kernel: try boot.string("kernel"), initrd: try boot.optionalString("initrd"),
            commandLine: try boot.string("commandLine"), format: known,
            loadAddress: try boot.optionalUInt64("loadAddress"))
        let simulation = Fields(json["simulation"] ?? .null)
        self.simulation = SimulationModel(
            seed: try simulation.uint64("seed"), bootTime: try simulation.uint64("bootTime"),
            banner: try simulation.string("banner"),
            busyNanosecondsPerSecond: try simulation.uint64("busyNanosecondsPerSecond"),
            lifetime: try simulation.optionalUInt64("lifetime"))
    }
}
