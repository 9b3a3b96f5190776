import BlockStorage
import NetworkBackends
import PartitionManager

extension VMPatch {
    /// The first field that only a VM without a guest can change; nil when there is none.
    package var machineField: String? {
        if vpCount != nil { return "/vps/count" }
        if vpMaximum != nil { return "/vps/maximum" }
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
        if let placement {
            return placement.pages != nil || placement.isPrefaulted != nil ? "/memory/pages" : "/placement"
        }
        if withheldFeatures != nil { return "/withheldFeatures" }
        return dumpsCore == nil ? nil : "/coreDump"
    }

    /// The first field that can't change while the guest of `vm` runs, as it was made; nil when there is none.
    private func fixedField(of vm: VMResource) -> String? {
        var rest = self
        if vm.specification.memoryMaximum != nil, vm.bootMemory != nil { rest.memorySize = nil }
        if vm.specification.vpMaximum != nil { rest.vpCount = nil }
        return rest.machineField
    }

    /// The specification with the patch applied.
    ///
    /// - Throws: `.wrongState` for a change of the machine while its guest exists.
    package func applied(to vm: VMResource) throws(ServiceError) -> VMSpecification {
        if let field = devices.machineField(of: vm.specification.deviceSettings), !LifecycleRules.isOff(vm.state) {
            throw ServiceError(
                .wrongState,
                "The VM is \(vm.state.rawValue): its balloon, watchdog, vsock and console can be given and taken while it "
                    + "is defined, stopped or failed. The balloon's target and statisticsInterval can change at any time.",
                field: field)
        }
        if !LifecycleRules.isOff(vm.state) {
            if let field = fixedField(of: vm) { throw Self.isFixed(field, vm.state) }
            if let memorySize, let boot = vm.bootMemory {
                try Validation.check(memorySize: memorySize, ofGuestBootedWith: boot)
            }
        }
        var result = vm.specification
        for (key, value) in labels ?? [:] { result.labels[key] = value }
        if let vpCount { result.vpCount = vpCount }
        if let vpMaximum { result.vpMaximum = vpMaximum }
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
        try devices.apply(to: &result.deviceSettings)
        if let restart { result.restart.apply(restart) }
        if let placement { result.placement.apply(placement) }
        if let withheldFeatures { result.withheldFeatures = withheldFeatures }
        if let dumpsCore { result.dumpsCore = dumpsCore }
        return result
    }

    private static func isFixed(_ field: String, _ state: VMState) -> ServiceError {
        ServiceError(
            .wrongState,
            "The VM is \(state.rawValue): processors, memory, boot source, disks, network interfaces, cloudInit, "
                + "placement and coreDump can change while it is defined, stopped or failed. Labels and the restart policy can change "
                + "at any time, the memory's size where there is a /memory/maximum, and the processors' number where "
                + "there is a /vps/maximum.", field: field)
    }
}
