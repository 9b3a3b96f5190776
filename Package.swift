// swift-tools-version: 6.1
// The targets stand in the order of the layers (docs/architecture.md): a target imports only from
// layers below its own. Tests/ArchitectureTests reads every import and holds the tree to that.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func swift(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func test(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// What several tests use.
func support(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Tests/Support/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "hvroot",
    products: [
        .executable(name: "hvrootd", targets: ["hvrootd"]),
        .executable(name: "hvroot-partition", targets: ["hvroot-partition"]),
        .executable(name: "hvrootctl", targets: ["hvrootctl"]),
        .library(
            name: "hvroot-mshv-emulator", type: .dynamic, targets: ["MshvEmulatorEntry", "CMshvEmulatorPreload"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // system: C libraries and the kernel
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CJSON", providers: [.apt(["libjson-c-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CWSLay", providers: [.apt(["libwslay-dev"])]),
        .systemLibrary(name: "CZydis", providers: [.apt(["libzydis-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CMshv"),
        .target(name: "CURing", linkerSettings: [.linkedLibrary("uring")]),
        swift("LinuxSystem", ["CLinux"]),
        swift("JSON", ["CJSON"]),
        swift("Log", ["LinuxSystem"]),

        // hypercall: the specification
        swift("HypercallABI", []),
        swift("HypercallCore", ["HypercallABI"]),

        // hypervisor: how partitions and virtual processors come to exist and run
        swift("Hypervisor", ["HypercallABI", "HypercallCore", "LinuxSystem"]),
        swift("EmbeddedHypervisor", ["Hypervisor", "HypercallABI", "HypercallCore", "LinuxSystem", "CLinux"]),
        swift("InstructionEmulator", ["HypercallABI", "CZydis"]),
        swift(
            "MshvHypervisor",
            ["Hypervisor", "InstructionEmulator", "HypercallABI", "HypercallCore", "LinuxSystem", "CLinux", "CMshv"]),
        swift("KvmEngine", ["Hypervisor", "HypercallABI", "LinuxSystem", "CLinux"]),
        swift("SimulatedEngine", ["Hypervisor", "HypercallABI", "LinuxSystem"]),

        // emulator: /dev/mshv over the embedded hypervisor
        swift(
            "MshvEmulator",
            [
                "EmbeddedHypervisor", "KvmEngine", "InstructionEmulator", "Hypervisor", "HypercallABI", "HypercallCore",
                "LinuxSystem", "CLinux", "CMshv", "Log",
            ]),
        // The preloaded library: the C library's calls that it takes over, and what they call.
        .target(name: "CMshvEmulatorEntry", dependencies: ["CMshv"]),
        swift(
            "MshvEmulatorEntry",
            [
                "MshvEmulator", "CMshvEmulatorEntry", "EmbeddedHypervisor", "KvmEngine", "Hypervisor", "HypercallABI",
                "LinuxSystem", "Log",
            ]),
        // Their names, for the library alone. It has a Swift runtime of its own and shows nothing but those names, so
        // that it gets along with whatever the program is made of.
        .target(
            name: "CMshvEmulatorPreload", dependencies: ["CMshvEmulatorEntry"], exclude: ["exports.map"],
            linkerSettings: [
                .unsafeFlags([
                    "-static-stdlib", "-Xlinker",
                    "--version-script=\(Context.packageDirectory)/Sources/CMshvEmulatorPreload/exports.map",
                ])
            ]),

        // machine: what a guest sees
        .target(name: "CDemoGuest"),
        swift("GuestMemory", ["LinuxSystem"]),
        swift("VirtualDevices", ["LinuxSystem"]),
        swift("BlockStorage", ["LinuxSystem", "CLinux", "CURing"]),
        swift("ImageStore", ["BlockStorage", "LinuxSystem", "CLinux", "COpenSSL"]),
        swift("NetworkBackends", ["LinuxSystem", "CLinux"]),
        swift("Vhost", ["GuestMemory", "LinuxSystem", "CLinux"]),
        swift("DeviceSettings", []),
        swift("DeviceSources", ["BlockStorage", "NetworkBackends"]),
        swift("VirtualNetworks", ["NetworkBackends", "JSON", "LinuxSystem", "Log"]),
        swift(
            "Virtio",
            ["VirtualDevices", "Vhost", "GuestMemory", "BlockStorage", "NetworkBackends", "LinuxSystem", "CLinux"]),
        swift("BootLoader", ["GuestMemory", "LinuxSystem", "CDemoGuest", "HypercallABI"]),
        swift(
            "VirtualMachine",
            [
                "Virtio", "Vhost", "VirtualDevices", "DeviceSources", "BlockStorage", "NetworkBackends",
                "DeviceSettings", "BootLoader", "GuestMemory", "Hypervisor", "HypercallABI", "LinuxSystem", "Log",
            ]),

        // host: what this machine is
        swift("HostInventory", ["HypercallABI", "LinuxSystem", "CLinux", "CMshv"]),

        // manager: lifecycle of VMs, the worker processes, the state store
        swift(
            "WorkerProtocol",
            [
                "DeviceSources", "BlockStorage", "NetworkBackends", "DeviceSettings", "BootLoader", "GuestMemory",
                "Hypervisor", "HypercallABI", "JSON",
                "LinuxSystem", "CLinux",
            ]),
        swift(
            "PartitionManager",
            [
                "WorkerProtocol", "DeviceSettings", "VirtualMachine", "ImageStore", "DeviceSources", "BlockStorage",
                "NetworkBackends", "BootLoader", "VirtualNetworks", "VirtualDevices", "GuestMemory",
                "Hypervisor", "HypercallABI", "HypercallCore", "EmbeddedHypervisor", "KvmEngine", "SimulatedEngine",
                "MshvHypervisor",
                "HostInventory",
                "CSQLite", "CLinux", "JSON", "LinuxSystem", "Log",
            ]),

        // service: resources, validation, operations, events
        swift(
            "ManagementService",
            [
                "PartitionManager", "WorkerProtocol", "HostInventory", "Hypervisor", "ImageStore", "DeviceSources",
                "BlockStorage", "NetworkBackends", "DeviceSettings", "VirtualNetworks", "Virtio",
                "BootLoader", "GuestMemory", "JSON", "LinuxSystem", "Log",
            ]),

        // front ends: wire formats
        swift(
            "MetricsExposition",
            [
                "ManagementService", "PartitionManager", "WorkerProtocol", "BlockStorage", "NetworkBackends",
                "VirtualNetworks", "Hypervisor", "HypercallABI", "LinuxSystem", "DeviceSettings",
            ]),
        swift(
            "RESTServer",
            [
                "ManagementService", "MetricsExposition", "PartitionManager", "WorkerProtocol", "HostInventory",
                "DeviceSources", "BlockStorage", "NetworkBackends", "DeviceSettings", "VirtualNetworks",
                "GuestMemory", "Hypervisor", "JSON", "LinuxSystem", "CLinux", "Log", "CMicroHTTPD", "COpenSSL",
                "CWSLay",
            ]),

        // programs: wiring only
        program(
            "hvroot-partition",
            [
                "WorkerProtocol", "VirtualMachine", "Virtio", "VirtualDevices", "DeviceSettings", "DeviceSources",
                "BootLoader", "GuestMemory", "HostInventory", "Hypervisor", "EmbeddedHypervisor", "KvmEngine",
                "MshvHypervisor", "HypercallABI", "HypercallCore", "JSON",
                "LinuxSystem", "CLinux", "Log",
            ]),
        program("hvrootctl", ["LinuxSystem", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        program(
            "hvrootd",
            [
                "RESTServer", "ManagementService", "PartitionManager", "HostInventory", "Hypervisor", "BootLoader",
                "LinuxSystem", "Log", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // tests
        support("TestHTTP", ["JSON", "LinuxSystem", "CLinux"]),
        .target(
            name: "HypercallModel",
            dependencies: ["EmbeddedHypervisor", "Hypervisor", "HypercallABI", "HypercallCore"],
            // Optimized in debug builds too: a million calls are its measure.
            path: "Tests/Support/HypercallModel", swiftSettings: strict + [.unsafeFlags(["-O"])]),
        test("ModelTests", ["HypercallModel", "HypercallABI", "HypercallCore"]),
        // What the C compiler makes of the headers of CMshv, for the conformance tests.
        .target(name: "CMshvLayout", dependencies: ["CMshv"], path: "Tests/Support/CMshvLayout"),
        test("ArchitectureTests", []),
        .testTarget(
            name: "HypercallTests",
            dependencies: [
                "HypercallABI", "HypercallCore", "Hypervisor", "EmbeddedHypervisor", "JSON", "LinuxSystem", "CMshv",
                "CMshvLayout",
            ],
            exclude: ["Fixtures"], swiftSettings: strict),
        test(
            "EngineTests",
            [
                "KvmEngine", "SimulatedEngine", "EmbeddedHypervisor", "Hypervisor", "HypercallABI", "CDemoGuest",
                "LinuxSystem",
            ]),
        // The same instructions on this processor, to compare with.
        .target(name: "CNativeInstruction", path: "Tests/Support/CNativeInstruction"),
        support("FuzzSupport", []),
        support("InstructionFuzzing", ["FuzzSupport", "InstructionEmulator", "HypercallABI"]),
        support("HypercallFuzzing", ["FuzzSupport", "HypercallModel", "HypercallABI", "HypercallCore"]),
        support(
            "EmulatorFuzzing",
            [
                "FuzzSupport", "HypercallModel", "MshvEmulator", "EmbeddedHypervisor", "HypercallABI", "LinuxSystem",
                "CMshv",
            ]),
        support(
            "DeviceFuzzing",
            [
                "FuzzSupport", "Virtio", "VirtualDevices", "BlockStorage", "NetworkBackends", "GuestMemory",
                "LinuxSystem",
            ]),
        test(
            "FuzzTests",
            ["FuzzSupport", "HypercallFuzzing", "InstructionFuzzing", "EmulatorFuzzing", "DeviceFuzzing"]),
        test("InstructionTests", ["InstructionEmulator", "InstructionFuzzing", "CNativeInstruction", "HypercallABI"]),
        test(
            "MshvTests",
            [
                "MshvHypervisor", "MshvEmulator", "MshvEmulatorEntry", "CMshvEmulatorEntry", "EmbeddedHypervisor",
                "KvmEngine", "Hypervisor", "EmulatorFuzzing",
                "InstructionEmulator", "HypercallABI", "HypercallCore", "CDemoGuest", "LinuxSystem", "CLinux", "CMshv",
                "hvrootctl",
            ]),
        test("DeviceTests", ["VirtualDevices", "LinuxSystem"]),
        test("BlockStorageTests", ["BlockStorage", "LinuxSystem", "CLinux"]),
        test("ImageStoreTests", ["ImageStore", "BlockStorage", "LinuxSystem", "CLinux"]),
        test("NetworkBackendsTests", ["NetworkBackends", "LinuxSystem", "CLinux"]),
        test("VirtualNetworksTests", ["VirtualNetworks", "NetworkBackends", "LinuxSystem", "CLinux"]),
        test(
            "VirtioTests",
            [
                "Virtio", "Vhost", "VirtualDevices", "GuestMemory", "BlockStorage", "NetworkBackends", "LinuxSystem",
                "CLinux",
            ]),
        test(
            "MachineTests",
            [
                "VirtualMachine", "EmbeddedHypervisor", "KvmEngine", "SimulatedEngine", "BootLoader", "Hypervisor",
                "HypercallABI", "DeviceSources", "Virtio", "BlockStorage", "NetworkBackends", "CLinux", "GuestMemory",
                "LinuxSystem",
            ]),
        test("BootLoaderTests", ["BootLoader", "GuestMemory", "HypercallABI", "LinuxSystem"]),
        test(
            "WorkerTests",
            [
                "DeviceSettings", "WorkerProtocol", "PartitionManager", "DeviceSources", "BlockStorage",
                "NetworkBackends", "BootLoader",
                "Hypervisor",
                "HypercallABI", "JSON", "LinuxSystem", "CLinux", "hvroot-partition",
            ]),
        test(
            "ManagerTests",
            [
                "DeviceSettings", "PartitionManager", "WorkerProtocol", "ManagementService", "HostInventory",
                "ImageStore",
                "DeviceSources", "BlockStorage", "NetworkBackends", "VirtualNetworks", "BootLoader", "GuestMemory",
                "Hypervisor", "HypercallABI", "JSON", "LinuxSystem",
            ]),
        test(
            "RESTTests",
            [
                "RESTServer", "ManagementService", "HostInventory", "MetricsExposition", "PartitionManager",
                "DeviceSources",
                "BlockStorage", "NetworkBackends", "VirtualNetworks", "WorkerProtocol", "GuestMemory", "Hypervisor",
                "HypercallABI", "JSON", "LinuxSystem", "TestHTTP",
            ]),
        test("APITests", ["JSON", "LinuxSystem", "CLinux", "TestHTTP", "hvrootd", "hvroot-partition"]),
    ]
)

// The fuzzers (scripts/fuzz), for which everything is built with libFuzzer's instrumentation.
if Context.environment["HVROOT_FUZZ"] != nil {
    func fuzzer(_ name: String, _ entry: String) -> Target {
        .executableTarget(
            name: "fuzz-\(name)", dependencies: ["FuzzDriver", .byName(name: entry)], path: "Tests/Fuzz/fuzz-\(name)",
            swiftSettings: strict)
    }
    package.targets += [
        .target(name: "CLibFuzzer", path: "Tests/Fuzz/CLibFuzzer"),
        .target(
            name: "FuzzDriver", dependencies: ["CLibFuzzer"], path: "Tests/Fuzz/FuzzDriver", swiftSettings: strict),
        fuzzer("hypercalls", "HypercallFuzzing"),
        fuzzer("messages", "HypercallFuzzing"),
        fuzzer("instructions", "InstructionFuzzing"),
        fuzzer("emulator", "EmulatorFuzzing"),
        fuzzer("queues", "DeviceFuzzing"),
        fuzzer("devices", "DeviceFuzzing"),
    ]
}

// The benchmarks (Benchmarks/run).
if Context.environment["HVROOT_BENCH"] != nil {
    package.targets += [
        .target(name: "CPortLoop", path: "Benchmarks/CPortLoop"),
        .executableTarget(
            name: "hvroot-bench",
            dependencies: [
                "CPortLoop", "EmbeddedHypervisor", "KvmEngine", "Hypervisor", "HypercallABI", "HypercallCore",
                "LinuxSystem",
            ], path: "Benchmarks/hvroot-bench", swiftSettings: strict),
    ]
}
