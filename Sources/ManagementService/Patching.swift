import BlockStorage
import NetworkBackends
import PartitionManager

extension VMPatch {
    /// The first field that only a VM without a guest can change; nil when there is none.
    package var machineField: String? {
        if vpCount != nil { return "/vps/count" }
        if memorySize != nil { return "/memory/size" }
        if memoryMaximum != nil { return "/memory/maximum" }
        if kernel != nil { return "/boot/kernel" }
        if initrd != nil { return "/boot/initrd" }
        if commandLine != nil { return "/boot/commandLine" }
        if bootFormat != nil { return "/boot/format" }
        if loadAddress != nil { return "/boot/loadAddress" }
        if cloudInit != nil { return "/cloudInit" }
        if disks != nil { return "/disks" }
        if networkInterfaces != nil { return "/networkInterfaces" }
        return dumpsCore == nil ? nil : "/coreDump"
    }

    /// Whether the memory's size is all of the machine that it changes.
    private var growsMemoryOnly: Bool {
        var rest = self
        rest.memorySize = nil
        return rest.machineField == nil
    }

    /// The specification with the patch applied.
    ///
    /// - Throws: `.wrongState` for a change of the machine while its guest exists.
    package func applied(to vm: VMResource) throws(ServiceError) -> VMSpecification {
        if let memorySize, growsMemoryOnly, let boot = vm.bootMemory, vm.specification.memoryMaximum != nil {
            try Validation.check(memorySize: memorySize, ofGuestBootedWith: boot)
        } else if let field = machineField, !LifecycleRules.isOff(vm.state) {
            throw ServiceError(
                .wrongState,
                "The VM is \(vm.state.rawValue): processors, memory, boot source, disks, network interfaces, cloudInit and "
                    + "coreDump can change while it is defined, stopped or failed. Labels and the restart policy can "
                    + "change at any time, and the memory's size where there is a /memory/maximum.", field: field)
        }
        var result = vm.specification
        for (key, value) in labels ?? [:] { result.labels[key] = value }
        if let vpCount { result.vpCount = vpCount }
        if let memorySize { result.memorySize = memorySize }
        if let memoryMaximum { result.memoryMaximum = memoryMaximum }
        if let kernel { result.kernel = kernel }
        if let initrd { result.initrd = initrd }
        if let commandLine { result.commandLine = commandLine }
        if let bootFormat { result.bootFormat = bootFormat }
        if let loadAddress { result.loadAddress = loadAddress }
        if let disks { result.disks = disks }
        if let cloudInit { result.cloudInit = cloudInit }
        if let networkInterfaces { result.networkInterfaces = networkInterfaces }
        if let restart { result.restart.apply(restart) }
        if let dumpsCore { result.dumpsCore = dumpsCore }
        return result
    }
}
