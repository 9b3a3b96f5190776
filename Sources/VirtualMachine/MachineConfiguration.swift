import BlockStorage
import BootLoader
import Hypervisor
import LinuxSystem
import NetworkBackends
import Virtio

/// What a machine is made of.
package struct MachineConfiguration: Sendable, Equatable {
    /// 1...254.
    package var vpCount: Int
    /// Bytes; a multiple of 2 MiB.
    package var memorySize: UInt64
    /// Bytes by which the memory can grow while the guest runs; what is less than a `GrowthRegion.blockSize` is left.
    package var memoryGrowth: UInt64 = 0
    package var boot: BootSource
    /// What happens on the simulated engine; engines that run guest code ignore it.
    package var simulation: SimulationModel
    /// In the order in which the guest finds them; machines that run no guest code ignore them.
    package var disks: [DiskSource] = []
    /// In the order in which the guest finds them; machines that run no guest code ignore them.
    package var networkInterfaces: [NetworkSource] = []
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
    /// The hypervisor or this process could not go on.
    case failed(String)
}

/// How a guest crashed.
package enum GuestCrash: Sendable, Equatable {
    case tripleFault
    /// Its kernel panicked and said so through pvpanic.
    case panic
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
    /// A disk has this place from now on, 0 to 15.
    func machineDidPlace(disk id: String, at place: Int)
    /// The disk is gone: the guest ejected it or it was taken away, and its image is closed.
    func machineDidEject(disk id: String)
    /// Packets went through a network interface (by its place among the machine's), or were dropped.
    func machineDidUse(networkInterface: Int, _ account: NetAccount)
}

extension MachineObserver {
    package func machineDidUse(disk: Int, _ account: BlockAccount) {}
    package func machineDidPlace(disk id: String, at place: Int) {}
    package func machineDidEject(disk id: String) {}
    package func machineDidUse(networkInterface: Int, _ account: NetAccount) {}
    package func machineDidLoadCrashKernel() {}
    package func machineDidDump(_ place: CoreDumpPlace, _ error: Errno?) {}
}
