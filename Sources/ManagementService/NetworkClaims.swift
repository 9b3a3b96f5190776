import NetworkBackends

/// MAC addresses and taps that requests under way want.
struct NetworkClaim: VMClaim {
    var vm: String
    var interfaces: [NetworkSource]
}
