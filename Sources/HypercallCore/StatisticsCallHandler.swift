import HypercallABI

/// Statistics pages.
package protocol StatisticsCallHandler: Sendable {}
