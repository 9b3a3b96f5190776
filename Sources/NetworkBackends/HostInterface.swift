import CLinux
import Glibc
import LinuxSystem

/// A network interface of the host, by its name.
struct HostInterface: ~Copyable {
    let name: String
    /// Any socket will do to ask about interfaces.
    private let socket: FileDescriptor

    init(_ name: String) throws(Errno) {
        self.name = name
        socket = FileDescriptor(
            owning: try retryingInterrupts { hv_interface_socket() })
    }

    /// nil where there is no interface of that name.
    static func index(of name: String) -> UInt32? {
        let index = if_nametoindex(name)
        return index == 0 ? nil : index
    }

    var mtu: Int {
        get throws(Errno) {
            let number = socket.raw
            return Int(try retryingInterrupts { hv_interface_mtu(number, name) })
        }
    }

    func setMTU(_ mtu: Int) throws(Errno) {
        let number = socket.raw
        try retryingInterrupts { hv_interface_set_mtu(number, name, Int32(clamping: mtu)) }
    }

    var isUp: Bool {
        get throws(Errno) {
            let number = socket.raw
            return try retryingInterrupts({ hv_interface_is_up(number, name) }) != 0
        }
    }

    /// Brings it up or down, where it is not so: that takes rights.
    func setUp(_ up: Bool) throws(Errno) {
        guard try isUp != up else { return }
        let number = socket.raw
        try retryingInterrupts { hv_interface_set_up(number, name, up ? 1 : 0) }
    }

    /// The bridge that it is a port of; nil where it is of none.
    var bridge: String? {
        guard let index = Self.index(of: name) else { return nil }
        let master = hv_interface_master(index)
        guard master > 0 else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard let base = buffer.baseAddress, if_indextoname(UInt32(master), base) != nil else { return nil }
            return String(cString: base)
        }
    }

    /// Makes it a port of a bridge, or of none.
    func join(bridge: String?) throws(Errno) {
        let before = self.bridge
        guard before != bridge else { return }
        guard let index = Self.index(of: name) else { throw Errno(ENODEV) }
        let number = socket.raw
        // A port of one bridge is refused by another.
        if let before { try retryingInterrupts { hv_bridge_remove(number, before, index) } }
        if let bridge { try retryingInterrupts { hv_bridge_add(number, bridge, index) } }
    }
}
