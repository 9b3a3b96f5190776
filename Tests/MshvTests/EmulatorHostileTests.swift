import CMshv
import CMshvEmulatorEntry
import EmulatorFuzzing
import Glibc
import LinuxSystem
import Testing

@Suite("The mshv emulator with hostile requests", .enabled(if: emulatorCanRun, "needs /dev/kvm"))
struct EmulatorHostileTests {
    private static let requests: [UInt] = [
        HV_MSHV_DEVICE_CREATE_PARTITION, HV_MSHV_DEVICE_ROOT_HVCALL, HV_MSHV_PARTITION_INITIALIZE,
        HV_MSHV_PARTITION_CREATE_VP, HV_MSHV_PARTITION_SET_GUEST_MEMORY, HV_MSHV_PARTITION_IRQFD,
        HV_MSHV_PARTITION_IOEVENTFD, HV_MSHV_PARTITION_SET_MSI_ROUTING, HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP,
        HV_MSHV_VP_RUN, HV_MSHV_VP_GET_STATE, HV_MSHV_VP_SET_STATE, HV_MSHV_PARTITION_CREATE_DEVICE,
        HV_MSHV_GENERIC_DEVICE_SET_ATTR, HV_MSHV_GENERIC_DEVICE_HAS_ATTR,
    ]

    /// Values that are near what is allowed, and far from it.
    private static func interesting(_ random: inout SplitMix, _ memory: TestMemory) -> UInt64 {
        switch random.next() % 8 {
        case 0: 0
        case 1: random.next() % 8
        case 2: memory.address
        case 3: memory.address + random.next() % UInt64(memory.count)
        case 4: 4096 << (random.next() % 20)
        case 5: .max - random.next() % 16
        case 6: UInt64(1) << (random.next() % 64)
        default: random.next()
        }
    }

    @Test("answers each with a result or an errno", arguments: [1, 2, 3, 4] as [UInt64])
    func random(seed: UInt64) throws {
        try FakeProcessors.use { _ in
            var random = SplitMix(state: seed)
            let device = try EmulatorDescriptor.device()
            let partition = try device.partition()
            try partition.ioctl(HV_MSHV_PARTITION_INITIALIZE)
            let processor = try partition.processor(0)
            let memory = try TestMemory(16 * 4096)
            let event = try EventFD()
            var made: [Int32] = []
            for _ in 0..<4000 {
                // Requests point anywhere, but what is written stays in the test's memory: an output can only go where
                // an address of the test says, and those are its own or none.
                for word in stride(from: 0, to: 256, by: 8) {
                    let value = Self.interesting(&random, memory)
                    let isOther = value < memory.address || value >= memory.address + UInt64(memory.count)
                    let safe = isOther && value >= 1 << 32 && value < UserLimit.end ? value & 0xFFF : value
                    memory.base.storeBytes(of: safe, toByteOffset: word, as: UInt64.self)
                }
                let request =
                    random.next() % 8 == 0
                    ? UInt(UInt32(truncatingIfNeeded: random.next())) & ~0xFF00 | 0xB800
                    : Self.requests[Int(random.next() % UInt64(Self.requests.count))]
                // Eventfds of others must not be touched: those of these two requests are the test's own, or none.
                let isIrqfd = request == HV_MSHV_PARTITION_IRQFD
                if isIrqfd || request == HV_MSHV_PARTITION_IOEVENTFD {
                    let fd = random.next() % 3 == 0 ? -1 : event.raw
                    memory.base.storeBytes(of: fd, toByteOffset: isIrqfd ? 0 : 20, as: Int32.self)
                    if isIrqfd { memory.base.storeBytes(of: fd, toByteOffset: 4, as: Int32.self) }
                }
                let target = [device, partition, processor][Int(random.next() % 3)]
                let argument: UInt = random.next() % 16 == 0 ? UInt(random.next() % 4096) : UInt(memory.address)
                let result = hvemu_ioctl(target.raw, request, UnsafeMutableRawPointer(bitPattern: argument))
                if result > 2 { made.append(result) }
                if made.count > 32 {
                    for descriptor in made { hvemu_close(descriptor) }
                    made = []
                }
            }
            for descriptor in made { hvemu_close(descriptor) }
        }
    }
}

private enum UserLimit {
    static let end: UInt64 = 0x7FFF_FFFF_F000
}

/// A small generator whose sequence a seed gives again.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
