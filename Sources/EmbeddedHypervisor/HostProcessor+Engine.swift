import CLinux
import HypercallABI
import Hypervisor
import LinuxSystem

extension HostProcessor {
    /// What an engine can give of this machine's processor.
    init(engine: any ProcessorEngine) {
        self.init(clockFrequency: Self.kernelsFrequency() ?? 1_000_000_000) { leaf, subleaf in
            let own = hv_cpuid(leaf, subleaf)
            let processor = CPUIDRegisters(eax: own.eax, ebx: own.ebx, ecx: own.ecx, edx: own.edx)
            // Leaves of an underlying hypervisor tell of the clock; engines put their own in their place.
            if (0x4000_0000...0x4FFF_FFFF).contains(leaf) { return processor }
            return engine.supportedCPUID(leaf: leaf, subleaf: subleaf) ?? processor
        }
    }

    /// The first processor's speed by /proc/cpuinfo, in Hz.
    private static func kernelsFrequency() -> UInt64? {
        guard let file = try? FileDescriptor(opening: "/proc/cpuinfo", O_RDONLY),
            let bytes = try? file.read(count: 1 << 16)
        else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: "cpu MHz".utf8) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let text = String(decoding: line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
            guard let megahertz = Double(text), (1...100_000).contains(megahertz) else { return nil }
            return UInt64(megahertz * 1_000_000)
        }
        return nil
    }
}
