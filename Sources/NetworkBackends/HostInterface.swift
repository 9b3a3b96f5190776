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

    /// Brings it up, where it is not: that takes rights.
    func bringUp() throws(Errno) {
        let number = socket.raw
        guard try retryingInterrupts({ hv_interface_is_up(number, name) }) == 0 else { return }
        try retryingInterrupts { hv_interface_set_up(number, name) }
    }

    /// The bridge that it is a port of; nil where it is of none.
    var bridge: String? {
        guard let path = realpath("/sys/class/net/\(name)/master", nil) else { return nil }
        defer { free(path) }
        return String(cString: path).split(separator: "/").last.map(String.init)
    }

    /// Makes it a port of a bridge.
    func join(bridge: String) throws(Errno) {
        guard self.bridge != bridge else { return }
        guard let index = Self.index(of: name) else { throw Errno(ENODEV) }
        let number = socket.raw
        try retryingInterrupts { hv_bridge_add(number, bridge, index) }
    }
}
