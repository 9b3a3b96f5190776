/// How many deposited pages the embedded hypervisor takes for what it keeps. The real hypervisor's costs are not
/// published; these are chosen so that the deposits of Linux's driver suffice nearly always, and run out often enough
/// for callers to be tested (a partition with much memory in small pages).
enum PageCosts {
    /// A partition's own state, from the root's pool, until it is deleted.
    static let createPartition: UInt64 = 1
    /// From the partition's pool, until it is finalized.
    static let initializePartition: UInt64 = 160
    /// From the partition's pool, until the processor is deleted.
    static let createVP: UInt64 = 80
    /// A page of the hypervisor's own that it shares with the runner of a processor, until that is unmapped.
    static let statePage: UInt64 = 1
    /// The page table of 2 MiB of guest memory that is not one large page, until that is unmapped.
    static let pageTable: UInt64 = 1
    /// From the pool of the port's or the connection's partition, until it is deleted or disconnected.
    static let port: UInt64 = 1
    static let connection: UInt64 = 1
    /// From the pool of the partition that has the device, until it is detached.
    static let attachedDevice: UInt64 = 1
    /// From the pool of the domain's partition, until it is deleted; its page tables cost as guest memory's do.
    static let deviceDomain: UInt64 = 1
    /// A page of the table of device interrupts has so many; from the pool of the partition that maps them.
    static let deviceInterruptsOfPage = 256
    /// What the root has from the start.
    static let rootBootPages: UInt64 = 16
}

/// Limits of the embedded hypervisor.
enum Limits {
    /// Guest physical addresses have 52 bits.
    static let gpaPages: UInt64 = 1 << 40
    static let gpaEnd: UInt64 = 1 << 52
    /// Pages of 4 KiB in one of 2 MiB.
    static let largePage: UInt64 = 512
    /// HV_MAX_VP_INDEX.
    static let maximumVPIndex: UInt32 = 0x7FF
    /// Of each kind, for one processor.
    static let registeredResults = 512
    /// Messages that wait for one SINT of a processor.
    static let waitingMessages = 16
    /// Of the root and all partitions.
    static let deviceDomains = 4096
    static let deviceAddressBits: UInt8 = 48
    /// HV_SYNIC_EVENT_RING_MESSAGE_COUNT.
    static let eventRing = 63
    /// Of one partition: as many as Linux's driver routes for a guest.
    static let deviceInterrupts = 4096
}
