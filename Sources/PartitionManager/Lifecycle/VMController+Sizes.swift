import DeviceSettings

/// What a guest has of processors and memory while it runs.
extension VMController {
    /// Tells a guest whose processors or memory can change how much of them it is to have.
    func tellSizes() async throws(ServiceError) {
        let specification = record.specification
        guard let driver else { return }
        if specification.vpMaximum != nil {
            do throws(GuestError) {
                try await driver.setProcessors(count: specification.vpCount)
            } catch {
                throw notTold("\(specification.vpCount) processors", error, field: "/vps/count")
            }
        }
        if let balloon = specification.deviceSettings.balloon {
            do throws(GuestError) {
                try await driver.setBalloon(
                    size: balloon.inflation(of: specification.memorySize),
                    statisticsInterval: balloon.statisticsInterval)
            } catch {
                throw notTold("another balloon", error, field: "/memory/balloon")
            }
        }
        if specification.memoryMaximum != nil {
            do throws(GuestError) {
                try await driver.setMemory(size: specification.memorySize)
            } catch {
                throw notTold("\(specification.memorySize) bytes of memory", error, field: "/memory/size")
            }
        }
    }

    private func notTold(_ what: String, _ error: GuestError, field: String) -> ServiceError {
        ServiceError(
            .guestFailed, "The VM is to have \(what), but its guest could not be told: \(error). Ask again.",
            field: field)
    }

    /// The guest took a processor or gave one back, or tells how many it has.
    func processorsChanged(_ count: Int) async {
        await record { draft in
            guard let before = draft.record.run.map({ $0.presentVPs }), before != count else { return }
            draft.record.run?.presentVPs = count
            if before != nil { draft.addEvent("vm.processors-changed") }
        }
    }
}
