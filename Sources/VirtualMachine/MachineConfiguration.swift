import BlockStorage
import BootLoader
import DeviceSettings
import DeviceSources
import GuestMemory
import Hypervisor
import LinuxSystem
import NetworkBackends
import Virtio

/// What a machine is made of.
package struct MachineConfiguration: Sendable, Equatable {
    /// 1...254.
    package var vpCount: Int
    /// Processors that the guest can have, `vpCount`...254; nil where they neither come nor go.
    package var maximumVPCount: Int?
    /// Bytes; a multiple of 2 MiB.
    package var memorySize: UInt64
    /// Bytes by which the memory can grow while the guest runs; what is less than a `GrowthRegion.blockSize` is left.
    package var memoryGrowth: UInt64 = 0
    package var boot: BootSource
    /// What its memory is made of on the host.
    package var memoryBacking = MemoryBacking()
    /// Host processors of virtual processors that have some of their own; the others run where the machine's maker may.
    package var vpProcessors: [Int: IndexList] = [:]
    /// What happens on the simulated engine; engines that run guest code ignore it.
    package var simulation: SimulationModel
    /// In the order in which the guest finds them; machines that run no guest code ignore them.
    package var disks: [DiskSource] = []
    /// In the order in which the guest finds them; machines that run no guest code ignore them.
    package var networkInterfaces: [NetworkSource] = []
    /// Machines that run no guest code ignore them.
    package var devices = DeviceSettings()
    /// Bytes that the guest's balloon is to have when the machine starts.
    package var balloonSize: UInt64 = 0
    /// The name of the socket in `runDirectory` where programs of the host connect with the guest's.
    package var vsockSocket = "vsock.sock"
    /// Features that the drivers of devices are not told of, by the devices' keys (`FeatureNames`).
    package var withheldFeatures: [String: UInt64] = [:]
    /// Where to write a core file when the guest crashes: an existing directory, and the file's name; nil: nowhere.
    package var coreDump: CoreDumpPlace?
    /// Where sockets of the programs that serve some kinds of images are made.
    package var runDirectory = "/tmp"
    /// Where machines of all processes keep each other from the same tap.
    package var lockDirectory = "/tmp"

    package init(vpCount: Int, memorySize: UInt64, boot: BootSource, simulation: SimulationModel = SimulationModel()) {
        self.vpCount = vpCount
        self.memorySize = memorySize
        self.boot = boot
        self.simulation = simulation
    }
}

/// Where a core file is written.
package struct CoreDumpPlace: Sendable, Equatable {
    package var directory: String
    package var name: String

    package init(directory: String, name: String) {
        self.directory = directory
        self.name = name
    }

    package var path: String { directory + "/" + name }
}

/// Why a machine no longer runs.
package enum MachineEnd: Sendable, Equatable {
    /// The guest powered itself off.
    case poweredOff
    /// `stop` was called.
    case stopped
    /// The guest wrote `code` to the debug-exit port.
    case debugExit(code: UInt8)
    /// The guest can't go on by its own fault. The text is a sentence for people.
    case crashed(GuestCrash, String)
    /// The guest no longer reloaded its watchdog, which is set to power it off.
    case watchdogExpired
    /// The hypervisor or this process could not go on.
    case failed(String)
}

/// How a guest crashed.
package enum GuestCrash: Sendable, Equatable {
    case tripleFault
    /// Its kernel panicked and said so through pvpanic.
    case panic
    /// It no longer reloaded its watchdog.
    case watchdog
}

/// A machine could not be made or could not do what was asked.
package struct MachineError: Error, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// What a machine tells the one who runs it. Called on the machine's own threads: return at once, never call back into
/// the machine.
package protocol MachineObserver: AnyObject, Sendable {
    /// The guest sent bytes to its serial port.
    func machineDidPrint(_ bytes: UnsafeRawBufferPointer)
    /// The guest rebooted (or was reset): it starts again from its boot source.
    func machineDidReset()
    /// The guest's kernel panicked and goes on with a crash kernel of its own.
    func machineDidLoadCrashKernel()
    /// The core file of a crash was written, or why it was not. `machineDidEnd` follows.
    func machineDidDump(_ place: CoreDumpPlace, _ error: Errno?)
    /// The machine's last word; processors no longer run.
    func machineDidEnd(_ end: MachineEnd)
    /// A virtual processor's thread began (Linux thread id).
    func machineDidStart(vp: Int, thread: Int32)
    /// A virtual processor exited. On the hot path.
    func machineDidExit(vp: Int, reason: ExitReason)
    /// A request to a disk (by its place among the machine's) ended.
    func machineDidUse(disk: Int, _ account: BlockAccount)
    /// A virtual processor's thread ended before the machine did: the guest gave the processor back.
    func machineDidStop(vp: Int)
    /// The guest has so many processors now.
    func machineDidChange(processors: Int)
    /// A device has this place among those of its kind from now on.
    func machineDidPlace(_ device: DeviceName, at place: Int)
    /// The device is gone: the guest ejected it or it was taken away, and what it used is closed.
    func machineDidEject(_ device: DeviceName)
    /// The guest no longer reloaded its watchdog, which does now what it is set to.
    func machineDidExpireWatchdog()
    /// How the guest's balloon is now. With a lock of the device held.
    func machineDidChange(balloon: BalloonNews)
    /// Packets went through a network interface (by its place among the machine's), or were dropped.
    func machineDidUse(networkInterface: Int, _ account: NetAccount)
}

extension MachineObserver {
    package func machineDidStop(vp: Int) {}
    package func machineDidChange(processors: Int) {}
    package func machineDidUse(disk: Int, _ account: BlockAccount) {}
    package func machineDidPlace(_ device: DeviceName, at place: Int) {}
    package func machineDidEject(_ device: DeviceName) {}
    package func machineDidUse(networkInterface: Int, _ account: NetAccount) {}
    package func machineDidLoadCrashKernel() {}
    package func machineDidExpireWatchdog() {}
    package func machineDidChange(balloon: BalloonNews) {}
    package func machineDidDump(_ place: CoreDumpPlace, _ error: Errno?) {}
}
