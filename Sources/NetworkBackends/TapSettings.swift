import LinuxSystem
import Synchronization

/// What a tap that was there before had: it is put back when its use ends or can't begin. Who kills the process meanwhile
/// leaves the tap as it was used.
final class TapSettings: Sendable {
    private struct Values {
        var mtu: Int
        var bridge: String?
        var isUp: Bool
    }

    private let name: String
    /// Nil when it is put back already.
    private let before: Mutex<Values?>

    init(of interface: borrowing HostInterface) throws(Errno) {
        name = interface.name
        before = Mutex(Values(mtu: try interface.mtu, bridge: interface.bridge, isUp: try interface.isUp))
    }

    /// Puts back what differs. What the host refuses stays.
    func restore() {
        let taken = before.withLock { before in
            defer { before = nil }
            return before
        }
        guard let values = taken, let interface = try? HostInterface(name) else { return }
        // A port is first out of its bridge, whose MTU may follow its ports'.
        try? interface.join(bridge: values.bridge)
        if let mtu = try? interface.mtu, mtu != values.mtu { try? interface.setMTU(values.mtu) }
        try? interface.setUp(values.isUp)
    }
}
