import CMshv
import Glibc
import LinuxSystem
import Synchronization

extension EmulatedPartition {
    // MARK: MSHV_IRQFD

    func setIrqfd(_ argument: UInt64) throws(Errno) {
        let request = try UserMemory.load(mshv_user_irqfd(), at: argument)
        guard request.flags & ~(HV_MSHV_IRQFD_DEASSIGN | HV_MSHV_IRQFD_RESAMPLE) == 0 else { throw Errno(EINVAL) }
        let event = try EventHandle(request.fd)
        try state.withLock { _ throws(Errno) in
            if request.flags & HV_MSHV_IRQFD_DEASSIGN != 0 {
                // One that is not there is no error.
                interrupts.remove(event: event.identity, line: request.gsi)
                return
            }
            var resample: EventHandle?
            if request.flags & HV_MSHV_IRQFD_RESAMPLE != 0 { resample = try EventHandle(request.resamplefd) }
            try interrupts.add(event, resample: resample, line: request.gsi)
        }
    }

    // MARK: MSHV_SET_MSI_ROUTING

    func setMSIRouting(_ argument: UInt64) throws(Errno) {
        // Count and reserved word; the entries follow.
        let (count, reserved) = try UserMemory.load((UInt32(0), UInt32(0)), at: argument)
        guard count <= UInt32(MSHV_MAX_GUEST_IRQS), reserved == 0 else { throw Errno(EINVAL) }
        let entrySize = MemoryLayout<mshv_user_irq_entry>.size
        var routes: [UInt32: InterruptRoute] = [:]
        var entries: [mshv_user_irq_entry] = []
        for index in 0..<UInt64(count) {
            let (place, overflow) = argument.addingReportingOverflow(8 + index * UInt64(entrySize))
            if overflow { throw Errno(EFAULT) }
            entries.append(try UserMemory.load(mshv_user_irq_entry(), at: place))
        }
        for entry in entries {
            guard entry.gsi < UInt32(MSHV_MAX_GUEST_IRQS), entry.address_hi == 0 else { throw Errno(EINVAL) }
        }
        for entry in entries {
            // A line leads to one place. The driver does not notice it of line 0, whose last entry holds.
            guard entry.gsi == 0 || routes[entry.gsi] == nil else { throw Errno(EINVAL) }
            routes[entry.gsi] = InterruptRoute(address: entry.address_lo, data: entry.data)
        }
        state.withLock { [routes] _ in interrupts.setRoutes(routes) }
    }

    // MARK: MSHV_IOEVENTFD

    func setIoeventfd(_ argument: UInt64) throws(Errno) {
        let request = try UserMemory.load(mshv_user_ioeventfd(), at: argument)
        let known = HV_MSHV_IOEVENTFD_DATAMATCH | HV_MSHV_IOEVENTFD_PIO | HV_MSHV_IOEVENTFD_DEASSIGN
        let isReservedZero = withUnsafeBytes(of: request.rsvd) { $0.allSatisfy { $0 == 0 } }
        guard request.flags & ~known == 0, isReservedZero else { throw Errno(EINVAL) }
        if request.flags & HV_MSHV_IOEVENTFD_PIO != 0 { throw Errno(EOPNOTSUPP) }
        let value = request.flags & HV_MSHV_IOEVENTFD_DATAMATCH != 0 ? request.datamatch : nil
        try state.withLock { state throws(Errno) in
            if request.flags & HV_MSHV_IOEVENTFD_DEASSIGN != 0 {
                let event = try EventHandle(request.fd)
                guard
                    notifications.remove(
                        address: request.addr, size: Int(request.len), value: value, event: event.identity)
                else { throw Errno(ENOENT) }
                return
            }
            guard [0, 1, 2, 4, 8].contains(request.len) else { throw Errno(EINVAL) }
            if request.addr.addingReportingOverflow(UInt64(request.len)).overflow { throw Errno(EINVAL) }
            let doorbell = PartitionNotifications.Doorbell(
                address: request.addr, size: Int(request.len), value: value, event: try EventHandle(request.fd))
            guard notifications.add(doorbell) else { throw Errno(EEXIST) }
        }
    }
}
