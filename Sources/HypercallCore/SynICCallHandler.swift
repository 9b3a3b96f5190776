import HypercallABI

/// Ports, connections, messages and events (TLFS 11).
package protocol SynICCallHandler: Sendable {}
