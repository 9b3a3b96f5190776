import Testing

/// Tests that start the real programs. One after the other: each puts load on the host, and the limits on time of one
/// are not to be spent by another.
@Suite(.serialized) enum EndToEnd {}
