/// The devices of a guest that it has once or not at all, as a client asks for them.
package struct DeviceSettings: Equatable, Sendable {
    package var balloon: BalloonSettings?
    package var watchdog: WatchdogSettings?
    package var vsock: VsockSettings?
    package var console = ConsoleSettings()

    package init() {}
}

/// A balloon: memory that a guest gives back while it runs.
package struct BalloonSettings: Equatable, Sendable {
    /// Bytes of its memory that the guest is to make do with; nil: all.
    package var target: UInt64?
    /// Seconds between two looks at the guest's statistics; 0: none are asked for.
    package var statisticsInterval = 5
    /// Whether the guest may take memory back by itself before it kills a process for want of it.
    package var deflatesOnOOM = true
    /// Whether the guest tells of memory that it has no use for now.
    package var reportsFreePages = true

    /// The least that a guest is to make do with, and what targets are multiples of, in bytes.
    package static let minimumTarget: UInt64 = 16 << 20
    package static let step: UInt64 = 4096
    package static let statisticsIntervals = 0...3600

    package init() {}

    /// Bytes that the balloon is to have of a guest with `size` bytes.
    package func inflation(of size: UInt64) -> UInt64 { target.map { $0 < size ? size - $0 : 0 } ?? 0 }
}

/// A watchdog timer: what becomes of a guest that no longer reloads it.
package struct WatchdogSettings: Equatable, Sendable {
    package enum Action: String, CaseIterable, Sendable {
        /// An event tells of it, and nothing else.
        case none
        case reset
        /// The VM is stopped.
        case powerOff
        /// As if the guest's kernel had panicked: a core file where one is asked for, and then the restart policy.
        case crash
    }

    package var action = Action.reset

    package init(action: Action = .reset) { self.action = action }
}

/// Streams between programs of a guest and programs of the host.
package struct VsockSettings: Equatable, Sendable {
    package enum Backend: String, CaseIterable, Sendable {
        /// Unix sockets, which every host has.
        case auto
        /// Unix sockets in the VM's run directory.
        case unix
        /// The host's own AF_VSOCK, by its kernel's vhost-vsock.
        case vhost
    }

    /// The guest's context identifier.
    package var cid: UInt64
    package var backend = Backend.auto

    /// Those that a guest can have: the others are the hypervisor's and the host's, and the last one means any.
    package static let cids: ClosedRange<UInt64> = 3...0xFFFF_FFFE

    package init(cid: UInt64, backend: Backend = .auto) {
        self.cid = cid
        self.backend = backend
    }
}

/// Which device a guest's console is.
package struct ConsoleSettings: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// The serial port.
        case serial
        /// A virtio console beside it. Both print into one log; input goes to it as soon as it has a driver.
        case virtio
    }

    /// Characters of a terminal.
    package struct Size: Equatable, Sendable {
        package var columns: Int
        package var rows: Int

        package static let limits = 1...65535

        package init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    package var kind = Kind.serial
    /// What a virtio console tells its guest; nil: nothing.
    package var size: Size?

    package init(kind: Kind = .serial, size: Size? = nil) {
        self.kind = kind
        self.size = size
    }
}
