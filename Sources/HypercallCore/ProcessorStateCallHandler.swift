import HypercallABI

/// What a processor has beside its registers, what it does with intercepts, and addresses as it sees them.
package protocol ProcessorStateCallHandler: Sendable {}
