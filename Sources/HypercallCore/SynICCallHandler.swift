import HypercallABI

/// Ports, connections, messages and events (TLFS, "Inter-Partition Communication").
package protocol SynICCallHandler: Sendable {}
