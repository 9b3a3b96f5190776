import Glibc

print("\("what".padded(44)) \("ours, ns".padded(10)) \("peer".padded(24)) \("peer, ns".padded(10)) ratio")
do {
    for line in try HypercallBenchmark().run() { print(line) }
    if access("/dev/kvm", R_OK | W_OK) == 0 {
        for line in try PortExitBenchmark().run() { print(line) }
    } else {
        print("no /dev/kvm here: port-I/O exits are not measured")
    }
} catch {
    print("hvroot-bench: \(error)")
    exit(1)
}
