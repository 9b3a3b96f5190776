/// What a simulated partition does instead of running guest code. Deterministic: the same model and the same inputs at
/// the same simulated times give the same exits.
package struct SimulationModel: Sendable, Equatable {
    /// Chooses the model's pseudo-random durations.
    package var seed: UInt64
    /// Simulated nanoseconds from start to the banner.
    package var bootTime: UInt64
    /// What the guest prints on its serial port when it has booted.
    package var banner: String
    /// Simulated nanoseconds of processor time per second that each processor consumes.
    package var busyNanosecondsPerSecond: UInt64
    /// After so many simulated nanoseconds from boot the guest powers off by itself; nil: it runs till it is stopped.
    package var lifetime: UInt64?

    package init(
        seed: UInt64 = 1, bootTime: UInt64 = 20_000_000, banner: String = "hvroot simulated guest\n",
        busyNanosecondsPerSecond: UInt64 = 10_000_000, lifetime: UInt64? = nil
    ) {
        self.seed = seed
        self.bootTime = bootTime
        self.banner = banner
        self.busyNanosecondsPerSecond = busyNanosecondsPerSecond
        self.lifetime = lifetime
    }
}
