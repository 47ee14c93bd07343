// swift-tools-version: 6.2
import PackageDescription

/// Compiler settings of every Swift target: complete concurrency checking (language mode 6, below), strict
/// memory safety, no warnings.
let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
]

/// A Swift target with the project's settings.
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The unit tests of one target, in `Tests/<target>Tests`.
func tests(_ target: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(target)Tests", dependencies: [.byName(name: target), "CloudletTestSupport"] + dependencies,
        exclude: exclude, swiftSettings: settings)
}

let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncAlgorithms = Target.Dependency.product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

// Discovery and the node's HTTP routes.
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "cloudlet",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),

        // Discovery and the node's HTTP routes.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
    ],
    targets: [
        // System libraries.
        .target(name: "CLinux"),
        .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
        .systemLibrary(name: "CLzma", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // Leaves.
        library("CloudletCore", [crypto]),
        library("CloudletSystem", ["CloudletCore", "CLinux", system]),
        library("CloudletMarkup", ["CloudletCore"]),
        library("CloudletMessagePack", ["CloudletCore"]),
        library("CloudletCompression", ["CloudletCore", "CLzma", "CZstd"]),

        // The engine and what it stands on.
        library("CloudletOverlay", ["CloudletCore", "CloudletMessagePack", "CloudletSystem"]),
        library("CloudletWire", ["CloudletCore", "CloudletMessagePack"]),
        library("CloudletStore", ["CloudletCore", "CloudletSystem", grdb, system]),
        library(
            "CloudletHypervisor", ["CloudletCore", "CloudletMarkup", "CloudletSystem", "CLibvirt", subprocess, system]),

        // The chain.
        library(
            "CloudletSynthesis",
            [
                "CloudletCore", "CloudletSystem", "CloudletOverlay", "CloudletCompression", "CloudletStore",
                "CloudletWire",
                "CloudletHypervisor", subprocess, system, logging,
            ]),

        library(
            "CloudletSession",
            [
                "CloudletCore", "CloudletSystem", "CloudletMessagePack", "CloudletOverlay", "CloudletWire", nioCore,
                nioPosix, asyncAlgorithms, logging,
            ]),

        library(
            "CloudletNode",
            [
                "CloudletCore", "CloudletSystem", "CloudletOverlay", "CloudletStore", "CloudletWire",
                "CloudletHypervisor", "CloudletSynthesis", "CloudletSession", logging,
                // Discovery and the node's HTTP routes.
                "CloudletMarkup", "CloudletDescriptors", "CloudletDiscovery", hummingbird, hummingbirdCore, httpTypes,
                nioCore, nioHTTP1, nioPosix, lifecycle, unixSignals, configuration, yams, subprocess, system, metrics,
            ]),

        // The programs.
        library(
            "CloudletCommands",
            [
                "CloudletCore", "CloudletSystem", "CloudletOverlay", "CloudletCompression", "CloudletStore",
                "CloudletHypervisor",
                "CloudletSynthesis", "CloudletSession", "CloudletDiscovery", "CloudletNode", arguments, subprocess,
                system,
                logging, unixSignals,
            ]),
        .executableTarget(name: "cloudlet", dependencies: ["CloudletCommands"], swiftSettings: settings),
        .executableTarget(name: "cloudlet-node", dependencies: ["CloudletCommands"], swiftSettings: settings),
        .executableTarget(name: "cloudlet-find", dependencies: ["CloudletCommands"], swiftSettings: settings),

        // Discovery and the node's HTTP routes.
        .systemLibrary(name: "CNetwork"),
        .systemLibrary(name: "CUPnP"),
        .systemLibrary(name: "CAvahi"),
        .target(
            name: "CloudletDescriptors", path: "Descriptors", exclude: ["systemd", "nftables"],
            resources: [
                .embedInCode("upnp/device.xml"), .embedInCode("upnp/original.xml"), .embedInCode("upnp/synthesis.xml"),
            ], swiftSettings: settings),
        .target(
            name: "CloudletDiscovery",
            dependencies: [
                "CloudletCore", "CloudletSystem", "CloudletMarkup", "CloudletDescriptors", "CNetwork", "CUPnP",
                "CAvahi", nioCore, nioPosix, nioHTTP1, lifecycle, asyncAlgorithms, subprocess, logging, system,
            ], swiftSettings: settings,
            // libupnp has to find the executable's own functions of these names (see SocketInterposer).
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "--export-dynamic-symbol=setsockopt", "-Xlinker", "--export-dynamic-symbol=recvfrom",
                ])
            ]),

        // Checks nodes from outside; knows nothing of our own discovery.
        library(
            "CloudletConformance",
            ["CloudletCore", "CloudletSystem", "CloudletMarkup", "CNetwork", "CUPnP", "CAvahi", arguments, subprocess]),
        .executableTarget(
            name: "conformance", dependencies: ["CloudletConformance", arguments], swiftSettings: settings),

        // Tests.
        .target(
            name: "CloudletTestSupport",
            dependencies: ["CloudletCore", "CloudletSystem", "CloudletOverlay", subprocess, system],
            path: "Tests/CloudletTestSupport", exclude: ["probe.py"], swiftSettings: settings),
        tests("CloudletCore"),
        tests("CloudletSystem", [system]),
        tests("CloudletMarkup"),

        // Tests of discovery.
        .executableTarget(
            name: "discovery-host",
            dependencies: [
                "CloudletCore", "CloudletDiscovery", "CloudletNode", hummingbird, nioCore, nioPosix, lifecycle,
                unixSignals, logging, system,
            ], path: "Tests/DiscoveryHost", swiftSettings: settings),
        tests(
            "CloudletNode",
            [
                "CloudletDiscovery", "CloudletOverlay", "CloudletSession", "CloudletSystem", "CloudletWire",
                asyncAlgorithms,
                hummingbird, lifecycle, logging, metrics, system,
            ], exclude: ["Reference"]),
        .testTarget(
            name: "CloudletDiscoveryTests",
            dependencies: [
                "CloudletDiscovery", "CloudletMarkup", "CloudletTestSupport", "discovery-host", "cloudlet-find",
                nioCore,
                lifecycle, logging, subprocess, system,
            ], exclude: ["Lab/false-nodes"], swiftSettings: settings),
        .testTarget(
            name: "CloudletConformanceTests",
            dependencies: [
                "CloudletConformance", "CloudletSystem", "CloudletTestSupport", "conformance", "cloudlet-find",
                "discovery-host", system,
            ], exclude: ["Devices", "Findings"], swiftSettings: settings),
        .testTarget(
            name: "ChainTests",
            dependencies: [
                "CloudletCore", "CloudletSystem", "CloudletTestSupport", "cloudlet", "cloudlet-node", "cloudlet-find",
                system,
            ], exclude: ["Reference"], swiftSettings: settings),
        .executableTarget(
            name: "overlay-bench",
            dependencies: [
                "CloudletCore", "CloudletSystem", "CloudletOverlay", "CloudletCompression", "CloudletStore",
                "CloudletHypervisor", "CloudletSynthesis", subprocess, system,
            ], path: "Tests/OverlayBench", swiftSettings: settings),
        tests("CloudletCommands", ["CloudletCore", "CloudletSystem"]),
        tests("CloudletCompression", ["CloudletSystem", system]),
        tests("CloudletMessagePack"),
        tests("CloudletOverlay", [system]),
        tests("CloudletStore", [grdb, system]),
        tests(
            "CloudletSession",
            ["CloudletMessagePack", "CloudletOverlay", "CloudletWire", nioCore, asyncAlgorithms, logging, system],
            exclude: ["Peers"]),
        tests("CloudletWire", ["CloudletMessagePack"]),
        tests(
            "CloudletSynthesis",
            [
                "CloudletOverlay", "CloudletCompression", "CloudletWire", "CloudletStore", "CloudletHypervisor", system,
            ], exclude: ["Reference"]),
        tests("CloudletHypervisor", ["CloudletMarkup", system]),
    ],
    swiftLanguageModes: [.v6]
)

// Has no main function but libFuzzer's; see Scripts/fuzz.
if Context.environment["CLOUDLET_FUZZ"] != nil {
    // Of targets that need much else, only the parsers: the build for libFuzzer takes a part of the time.
    let parsers: [String: (sources: [String], dependencies: [Target.Dependency])] = [
        "CloudletDiscovery": (
            [
                "MDNS/DNSMessage.swift", "MDNS/DNSReader.swift", "Network/HTTPFetch.swift", "Network/IPAddress.swift",
                "Network/NetlinkMessages.swift", "Network/NetworkInterface.swift", "Network/Peer.swift",
                "Network/TCPAttempt.swift", "SSDP/SSDPMessage.swift", "SSDP/SSDPSearch.swift", "UPnP/SOAP.swift",
            ], ["CloudletCore", "CloudletSystem", "CloudletMarkup", "CNetwork"]
        ),
        "CloudletHypervisor": (
            [
                "Guest/GuestSupport.swift", "Machine/MachineDescription.swift", "Machine/VMDescription.swift",
                "Snapshot/SnapshotFile.swift", "Snapshot/SnapshotLayout.swift",
            ], ["CloudletCore", "CloudletSystem", "CloudletMarkup"]
        ),
        "CloudletSynthesis": (
            [
                "Apply/OverlayPackage.swift", "Apply/ZIPArchive.swift", "Disk/BootOutlook.swift",
                "Disk/DiskImageCheck.swift", "Disk/ForeignFormat.swift", "Disk/MappedExtents.swift",
            ], ["CloudletCore", "CloudletSystem", "CloudletOverlay", system]
        ),
    ]
    for target in package.targets {
        guard let kept = parsers[target.name] else { continue }
        (target.sources, target.dependencies, target.linkerSettings) = (kept.sources, kept.dependencies, nil)
    }
    package.targets.append(
        .executableTarget(
            name: "overlay-fuzz",
            dependencies: [
                "CloudletCore", "CloudletSystem", "CloudletMessagePack", "CloudletOverlay", "CloudletCompression",
                "CloudletDiscovery", "CloudletHypervisor", "CloudletMarkup", "CloudletSynthesis", "CloudletWire",
                "CLinux",
            ], path: "Tests/Fuzz", exclude: ["Corpus"], swiftSettings: settings))
}
