import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Memory-mapped I/O that the root wants done for it. Its devices are its own memory to the hypervisor: an address of
/// this process that is registered.
///
/// `invalidParameter` for no bytes or more than 64, and for an address that is not wholly root memory which can be
/// touched; `operationDenied` for one that is deposited.
extension EmbeddedCore {
    func mmioRead(_ input: MMIOReadInput) throws(HypercallStatus) -> [UInt8] {
        try check(input.address, input.count)
        var bytes = [UInt8](repeating: 0, count: Int(input.count))
        let isRead = bytes.withUnsafeMutableBytes { (try? OwnMemory.read(input.address, into: $0)) != nil }
        guard isRead else { throw HypercallStatus.invalidParameter }
        return bytes
    }

    func mmioWrite(_ input: MMIOWriteInput) throws(HypercallStatus) {
        try check(input.address, input.count)
        let isWritten = input.data.prefix(Int(input.count)).withUnsafeBytes { bytes in
            (try? OwnMemory.write(input.address, from: bytes)) != nil
        }
        guard isWritten else { throw HypercallStatus.invalidParameter }
    }

    private func check(_ address: UInt64, _ count: UInt32) throws(HypercallStatus) {
        guard (1...MMIOReadInput.maximumBytes).contains(count), address <= UInt64.max - UInt64(count) else {
            throw HypercallStatus.invalidParameter
        }
        for page in Set([address / 4096, (address + UInt64(count) - 1) / 4096]).sorted() {
            let status = rootMemory.checkUse(of: page)
            if status != .success { throw status }
        }
    }
}
