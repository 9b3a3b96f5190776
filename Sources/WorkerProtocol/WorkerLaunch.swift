import BlockStorage
import BootLoader
import DeviceSettings
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
    /// How many the guest can have, `vpCount`...254; nil where they neither come nor go.
    package var maximumVPCount: Int?
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
    package var devices = DeviceSettings()
    /// Bytes that the guest's balloon is to have when it starts.
    package var balloonSize: UInt64 = 0
    /// Whether a core file (`VMFiles.core`) is written when the guest crashes.
    package var dumpsCore = false
    package var placement = Placement()
    /// Names of virtio features that the guest is not offered, by devices.
    package var withheldFeatures = WithheldFeatures()

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

    /// Processors that there is to be room for.
    package var vpCapacity: Int { maximumVPCount ?? vpCount }

    package var json: JSONValue {
        [
            "version": 1,
            "vmId": .string(vmID),
            "runId": .string(runID),
            "directory": .string(directory),
            "runDirectory": .string(runDirectory),
            "partitionId": JSONValue(partitionID),
            "vpCount": JSONValue(vpCount),
            "maximumVPCount": maximumVPCount.map { JSONValue($0) } ?? .null,
            "memorySize": JSONValue(memorySize),
            "memoryGrowth": JSONValue(memoryGrowth),
            "hypervisor": .string(hypervisor.rawValue),
            "disks": .array(disks.map(\.json)),
            "networkInterfaces": .array(networkInterfaces.map(\.json)),
            "devices": devices.json,
            "balloonSize": JSONValue(balloonSize),
            "dumpsCore": .bool(dumpsCore),
            "placement": placement.json,
            "withheldFeatures": withheldFeatures.json,
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

    private static func vpCount(_ name: String, _ value: UInt64, from least: Int) throws(MessageError) -> Int {
        let counts = least...StatisticsPage.vpCounts.upperBound
        guard let count = Int(exactly: value), counts.contains(count) else {
            throw MessageError("\(name): \(value); \(least) to \(counts.upperBound) are allowed")
        }
        return count
    }

    package init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        guard try fields.uint64("version") == 1 else { throw MessageError("version: only 1 is known") }
        vmID = try fields.string("vmId")
        runID = try fields.string("runId")
        directory = try fields.string("directory")
        runDirectory = try fields.string("runDirectory")
        partitionID = try fields.uint64("partitionId")
        vpCount = try Self.vpCount("vpCount", try fields.uint64("vpCount"), from: StatisticsPage.vpCounts.lowerBound)
        if let maximum = try fields.optionalUInt64("maximumVPCount") {
            maximumVPCount = try Self.vpCount("maximumVPCount", maximum, from: vpCount)
        }
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
        devices = try DeviceSettings(json["devices"])
        balloonSize = try fields.optionalUInt64("balloonSize") ?? 0
        dumpsCore = json["dumpsCore"]?.bool ?? false
        placement = try Placement(json["placement"])
        withheldFeatures = WithheldFeatures(json["withheldFeatures"])
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
