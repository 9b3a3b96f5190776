import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

/// A partition as a KVM VM.
final class KvmPartition: EnginePartition {
    private let engine: KvmEngine
    let machine: KvmMachine
    private let kvmEvents: KvmEvents
    private let vpCount: Int

    init(engine: KvmEngine, configuration: EnginePartitionConfiguration) throws(HypervisorError) {
        self.engine = engine
        vpCount = configuration.vpCount
        do {
            let number = engine.device.raw
            let descriptor = FileDescriptor(
                owning: try retryingInterrupts { hv_ioctl_int(number, HV_KVM_CREATE_VM, 0) })
            machine = KvmMachine(descriptor: descriptor, slotLimit: engine.slotLimit)
            kvmEvents = KvmEvents(machine)
        } catch {
            throw HypervisorError("KVM cannot make a VM: \(error)")
        }
        try setUp("the pages for real mode", HV_KVM_SET_TSS_ADDR, value: 0xFFFB_D000)
        var identityMap: UInt64 = 0xFFFB_C000
        do {
            try machine.descriptor.ioctl(HV_KVM_SET_IDENTITY_MAP_ADDR, &identityMap)
        } catch {
            throw HypervisorError("KVM refuses the identity map for real mode: \(error)")
        }
        // The kernel keeps the local APICs; the I/O APIC of 24 pins is a device model of ours.
        try enable(KVM_CAP_SPLIT_IRQCHIP, UInt64(HV_KVM_IOAPIC_PINS), "the split interrupt controller")
        try enable(KVM_CAP_X2APIC_API, HV_KVM_X2APIC_API_FLAGS, "x2APIC ids")
        if engine.hasExceptionPayload {
            try enable(KVM_CAP_EXCEPTION_PAYLOAD, 1, "exceptions that are not delivered yet")
        }
        if engine.canDisablePMU {
            try enable(KVM_CAP_PMU_CAPABILITY, UInt64(KVM_PMU_CAP_DISABLE), "hiding of performance counters")
        }
    }

    func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError) {
        try machine.map(MemoryExtent(gpa: gpa, host: hostAddress, count: count, access: access, slot: nil))
    }

    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        try machine.unmap(gpa: gpa, count: count)
    }

    /// The memory as KVM has it, for tests and diagnosis.
    var extents: [MemoryExtent] { machine.extents }

    func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP {
        guard index < vpCount else {
            throw HypervisorError("virtual processor \(index) of a partition that was made for \(vpCount)")
        }
        let vp = try KvmVP(engine: engine, machine: machine, index: index, vpCount: vpCount)
        try vp.announceLocalAPIC()
        machine.add(vp.gate)
        return vp
    }

    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        var message = kvm_msi()
        message.address_lo = UInt32(truncatingIfNeeded: address)
        message.address_hi = UInt32(truncatingIfNeeded: address >> 32)
        message.data = data
        do {
            // A positive answer is the number of processors reached; 0, that the guest does not listen.
            try machine.descriptor.ioctl(HV_KVM_SIGNAL_MSI, &message)
        } catch {
            throw HypervisorError("KVM refuses the interrupt message 0x\(hex(data)) to 0x\(hex(address)): \(error)")
        }
    }

    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) { try kvmEvents.setPins(messages) }

    var events: (any PartitionEvents)? { kvmEvents }

    func close() { machine.close() }

    private func setUp(_ what: String, _ request: UInt, value: UInt) throws(HypervisorError) {
        do {
            try machine.descriptor.ioctl(request, value)
        } catch {
            throw HypervisorError("KVM refuses \(what): \(error)")
        }
    }

    private func enable(_ capability: Int32, _ argument: UInt64, _ what: String) throws(HypervisorError) {
        var request = kvm_enable_cap()
        request.cap = UInt32(capability)
        request.args.0 = argument
        do {
            try machine.descriptor.ioctl(HV_KVM_ENABLE_CAP, &request)
        } catch {
            throw HypervisorError("KVM refuses \(what) (capability \(capability)): \(error)")
        }
    }
}
