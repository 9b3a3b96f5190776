import Testing

/// The layers of docs/architecture.md, from the bottom up. It stands here a second time, beside Package.swift, on
/// purpose: a dependency that points up has to be written in two places to pass.
private let layers: [(name: String, targets: [String])] = [
    (
        "C and the kernel",
        ["CMicroHTTPD", "CJSON", "COpenSSL", "CSQLite", "CWSLay", "CZydis", "CLinux", "CMshv", "CURing"]
    ),
    ("system", ["LinuxSystem", "JSON"]),
    ("log", ["Log"]),
    ("hypercall values", ["HypercallABI"]),
    ("hypercall port", ["HypercallCore"]),
    ("hypervisor protocols", ["Hypervisor"]),
    ("instruction emulator", ["InstructionEmulator"]),
    ("hypervisors and engines", ["EmbeddedHypervisor", "MshvHypervisor", "KvmEngine", "SimulatedEngine"]),
    ("mshv emulator", ["MshvEmulator"]),
    ("mshv emulator's C side", ["CMshvEmulatorEntry"]),
    ("mshv emulator's entry", ["MshvEmulatorEntry", "CMshvEmulatorPreload"]),
    ("guest code and memory", ["CDemoGuest", "GuestMemory"]),
    ("machine parts", ["VirtualDevices", "BootLoader", "BlockStorage", "NetworkBackends", "DeviceSettings"]),
    ("device sources", ["DeviceSources"]),
    ("image files and networks of the host", ["ImageStore", "VirtualNetworks"]),
    ("queues that the kernel serves", ["Vhost"]),
    ("virtio", ["Virtio"]),
    ("machine", ["VirtualMachine"]),
    ("host", ["HostInventory"]),
    ("worker protocol", ["WorkerProtocol"]),
    ("manager", ["PartitionManager"]),
    ("service", ["ManagementService"]),
    ("metrics", ["MetricsExposition"]),
    ("front ends", ["RESTServer"]),
    ("programs", ["hvrootd", "hvroot-partition", "hvrootctl"]),
]

/// Modules that are not ours. Foundation is not among them: the programs link without it.
private let outsideModules: Set<String> = ["Glibc", "Synchronization", "Dispatch", "ArgumentParser"]

private let layerOfTarget: [String: Int] = Dictionary(
    uniqueKeysWithValues: layers.enumerated().flatMap { index, layer in layer.targets.map { ($0, index) } })

@Suite("Layers")
struct LayeringTests {
    @Test("every target stands in a layer, and every target of the table exists")
    func tableIsComplete() throws {
        let targets = try SourceTree.names(in: "Sources").filter { SourceTree.isFolder("Sources/\($0)") }
        #expect(Set(targets) == Set(layerOfTarget.keys))
    }

    @Test("no import points up or sideways")
    func importsPointDown() throws {
        var wrong: [String] = []
        for file in try SourceTree.swiftFiles(under: "Sources") {
            guard let own = layerOfTarget[file.target] else { continue }
            for (module, line) in SourceTree.imports(of: file) {
                if outsideModules.contains(module) || module == file.target { continue }
                guard let imported = layerOfTarget[module] else {
                    wrong.append("\(file.path):\(line) imports \(module), which no table here names")
                    continue
                }
                if imported >= own {
                    wrong.append(
                        "\(file.path):\(line) (layer \(layers[own].name)) imports \(module) of \(layers[imported].name)"
                    )
                }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    }

    @Test("the argument parser is for programs only")
    func argumentParserInPrograms() throws {
        let programs = Set(layers.last?.targets ?? [])
        let wrong = try SourceTree.swiftFiles(under: "Sources").filter { file in
            !programs.contains(file.target) && SourceTree.imports(of: file).contains { $0.module == "ArgumentParser" }
        }
        #expect(wrong.isEmpty, "\(wrong.map(\.path))")
    }

    @Test(
        "the reader of imports sees every form of an import",
        arguments: [
            ("import JSON", "JSON"), ("  import JSON", "JSON"), ("@testable import JSON", "JSON"),
            ("package import JSON", "JSON"), ("@preconcurrency public import JSON", "JSON"),
            ("import struct JSON.JSONValue", "JSON"), ("import func Glibc.open", "Glibc"),
        ])
    func importForms(_ line: String, _ module: String) {
        let file = SourceTree.File(path: "Sources/X/x.swift", text: "// import No\n\(line)\nlet important = 1\n")
        #expect(SourceTree.imports(of: file).map(\.module) == [module])
    }
}
