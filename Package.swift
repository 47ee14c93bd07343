// swift-tools-version: 6.2
// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Compiler settings of every Swift target: complete concurrency checking (language mode 6, below), strict memory
/// safety, warnings as errors.
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

/// A program with the project's settings. Without `packageAccess` it sees only public declarations, as other packages
/// do.
func program(
    _ name: String, _ dependencies: [Target.Dependency], path: String? = nil, packageAccess: Bool = true,
    linker: [LinkerSetting] = []
) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: path, packageAccess: packageAccess, swiftSettings: settings,
        linkerSettings: linker)
}

/// The unit tests of one target, in `Tests/<target>Tests`.
func tests(_ target: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(target)Tests", dependencies: [.byName(name: target), "CloudletTestSupport"] + dependencies,
        exclude: exclude, swiftSettings: settings)
}

// Products of other packages.
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncAlgorithms = Target.Dependency.product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "cloudlet",
    products: [
        .library(name: "CloudletClient", targets: ["CloudletClient"]),
        .library(name: "CloudletOverlay", targets: ["CloudletOverlay"]),
        .executable(name: "cloudlet", targets: ["cloudlet"]),
        .executable(name: "cloudlet-find", targets: ["cloudlet-find"]),
        .executable(name: "cloudlet-node", targets: ["cloudlet-node"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),
    ],
    targets: [
        // C libraries, and system functions that Swift can't import.
        .systemLibrary(name: "CAvahi"),
        .target(name: "CDispatchFiles"),
        .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
        .target(name: "CLinux"),
        .systemLibrary(name: "CLzma", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .systemLibrary(name: "CNetwork"),
        .systemLibrary(name: "CUPnP"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // Targets without dependencies on other layers.
        library("CloudletCore", [crypto]),
        library("CloudletMarkup", ["CloudletCore"]),
        library("CloudletMessagePack", ["CloudletCore"]),
        library("CloudletSystem", ["CloudletCore", "CLinux", system]),
        library("CloudletCompression", ["CloudletCore", "CLzma", "CZlib", "CZstd"]),
        library("CloudletNetwork", ["CNetwork", "CloudletCore", "CloudletSystem", nioCore, system]),
        .target(
            name: "CloudletDescriptors", path: "Descriptors",
            exclude: ["apparmor", "debian", "nftables", "sysctl", "systemd"],
            resources: [
                .embedInCode("upnp/device.xml"), .embedInCode("upnp/original.xml"), .embedInCode("upnp/synthesis.xml"),
            ], swiftSettings: settings),

        // Formats and protocols.
        library("CloudletOverlay", ["CloudletCore", "CloudletMessagePack", "CloudletSystem", system]),
        library("CloudletWire", ["CloudletCore", "CloudletMessagePack", "CloudletOverlay"]),
        library("CloudletDiscovery", ["CloudletCore", "CloudletNetwork", "CloudletSystem", system]),

        // The client: finds nodes and hands them overlays.
        library(
            "CloudletFinding",
            ["CloudletCore", "CloudletDiscovery", "CloudletMarkup", "CloudletNetwork", "CloudletSystem", system]),
        library(
            "CloudletClient",
            [
                "CloudletCore", "CloudletDiscovery", "CloudletFinding", "CloudletNetwork", "CloudletOverlay",
                "CloudletSystem", "CloudletWire", nioCore, nioPosix, system,
            ]),

        // The engine and the targets it uses.
        library("CloudletStore", ["CloudletCore", "CloudletSystem", grdb, system]),
        library("CloudletControl", ["CloudletCore", "CloudletStore", "CloudletSystem", system]),
        library(
            "CloudletForwarding",
            ["CloudletCore", "CloudletNetwork", "CloudletSystem", nioCore, nioPosix, subprocess, system]),
        library(
            "CloudletHypervisor",
            [
                "CloudletCore", "CloudletForwarding", "CloudletMarkup", "CloudletNetwork", "CloudletSystem", "CLibvirt",
                subprocess, system,
            ]),
        library(
            "CloudletSynthesis",
            [
                "CloudletCompression", "CloudletCore", "CloudletHypervisor", "CloudletOverlay", "CloudletStore",
                "CloudletSystem", logging, subprocess, system,
            ]),

        // The node.
        library(
            "CloudletSession",
            [
                "CloudletCore", "CloudletMessagePack", "CloudletNetwork", "CloudletOverlay", "CloudletSystem",
                "CloudletWire", asyncAlgorithms, logging, nioCore, nioPosix,
            ]),
        library(
            "CloudletAdvertising",
            [
                "CloudletCore", "CloudletDescriptors", "CloudletDiscovery", "CloudletMarkup", "CloudletNetwork",
                "CloudletSystem", "CAvahi", asyncAlgorithms, lifecycle, logging, nioCore, nioHTTP1, nioPosix, system,
            ]),
        .target(
            name: "CloudletLibUPnP",
            dependencies: [
                "CloudletAdvertising", "CloudletCore", "CloudletDiscovery", "CloudletNetwork", "CloudletSystem",
                "CUPnP", asyncAlgorithms, lifecycle, logging, subprocess, system,
            ], swiftSettings: settings,
            // libupnp must find the executable's own functions of these names (see SocketInterposer).
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "--export-dynamic-symbol=setsockopt", "-Xlinker", "--export-dynamic-symbol=recvfrom",
                ])
            ]),
        library(
            "CloudletNode",
            [
                "CDispatchFiles", "CloudletAdvertising", "CloudletControl", "CloudletCore", "CloudletDescriptors",
                "CloudletDiscovery", "CloudletHypervisor", "CloudletLibUPnP", "CloudletMarkup", "CloudletNetwork",
                "CloudletOverlay", "CloudletSession", "CloudletStore", "CloudletSynthesis", "CloudletSystem",
                "CloudletWire", asyncAlgorithms, configuration, httpTypes, hummingbird, hummingbirdCore, lifecycle,
                logging, metrics, nioCore, nioHTTP1, nioPosix, subprocess, system, unixSignals, yams,
            ]),

        // The programs.
        library(
            "CloudletCommandLine", ["CloudletCore", "CloudletSystem", arguments, subprocess, system, unixSignals]),
        library(
            "CloudletFind",
            [
                "CloudletClient", "CloudletCommandLine", "CloudletCore", "CloudletDiscovery", "CloudletFinding",
                "CloudletNetwork", "CloudletOverlay", "CloudletSystem", arguments, system,
            ]),
        library(
            "CloudletCommands",
            [
                "CloudletCommandLine", "CloudletCompression", "CloudletControl", "CloudletCore", "CloudletForwarding",
                "CloudletHypervisor", "CloudletLibUPnP", "CloudletNetwork", "CloudletNode", "CloudletOverlay",
                "CloudletStore", "CloudletSynthesis", "CloudletSystem", arguments, logging, subprocess, system,
                unixSignals,
            ]),
        program("cloudlet", ["CloudletCommandLine", "CloudletCommands", system]),
        program(
            "cloudlet-find", ["CloudletCommandLine", "CloudletFind"],
            // Without this, three quarters of the file would be debug information of the libraries. Unsafe flags apply
            // to this program only. With tools version 6.2 SwiftPM plans the build of a package that uses the library
            // products; such a build has not been run.
            linker: [.unsafeFlags(["-Xlinker", "--strip-debug"], .when(configuration: .release))]),
        program("cloudlet-node", ["CloudletCommandLine", "CloudletCommands"]),

        // Checks nodes from outside, without the package's own discovery code.
        library(
            "CloudletConformance",
            [
                "CAvahi", "CNetwork", "CUPnP", "CloudletCore", "CloudletMarkup", "CloudletNetwork", "CloudletSystem",
                arguments, subprocess,
            ]),
        program("conformance", ["CloudletConformance", arguments]),

        // Helpers of the tests.
        .target(
            name: "CloudletTestSupport",
            dependencies: ["CloudletCore", "CloudletOverlay", "CloudletSystem", subprocess, system],
            path: "Tests/CloudletTestSupport", exclude: ["probe.py"], swiftSettings: settings),
        program("client-example", ["CloudletClient"], path: "Tests/ClientExample", packageAccess: false),
        .target(
            name: "OverlayExample", dependencies: ["CloudletOverlay"], path: "Tests/OverlayExample",
            packageAccess: false, swiftSettings: settings),
        program(
            "discovery-host",
            [
                "CloudletAdvertising", "CloudletCore", "CloudletDiscovery", "CloudletFinding", "CloudletLibUPnP",
                "CloudletNetwork", "CloudletNode", "CloudletSystem", hummingbird, lifecycle, logging, nioCore, nioPosix,
                system, unixSignals,
            ], path: "Tests/DiscoveryHost"),
        program(
            "overlay-bench",
            [
                "CloudletCompression", "CloudletCore", "CloudletHypervisor", "CloudletOverlay", "CloudletStore",
                "CloudletSynthesis", "CloudletSystem", subprocess, system,
            ], path: "Tests/OverlayBench"),

        // Unit tests, one test target for each target.
        tests(
            "CloudletAdvertising",
            [
                "CloudletDiscovery", "CloudletMarkup", "CloudletNetwork", "CloudletSystem", lifecycle, logging, nioCore,
                subprocess, system,
            ]),
        tests(
            "CloudletClient",
            ["CloudletCore", "CloudletMessagePack", "CloudletOverlay", "CloudletSystem", "CloudletWire", system]),
        tests(
            "CloudletCommands",
            [
                "CloudletCommandLine", "CloudletControl", "CloudletCore", "CloudletHypervisor", "CloudletNode",
                "CloudletOverlay", "CloudletStore", "CloudletSynthesis", "CloudletSystem", "cloudlet", arguments,
                lifecycle, logging, system,
            ]),
        tests("CloudletCompression", ["CloudletSystem", system]),
        tests("CloudletControl", ["CloudletCore", "CloudletStore", "CloudletSystem", system]),
        tests("CloudletCore"),
        tests("CloudletDiscovery", ["CloudletMarkup", "CloudletNetwork", "CloudletSystem", system]),
        tests(
            "CloudletForwarding",
            ["CloudletCore", "CloudletNetwork", "CloudletSystem", "cloudlet", nioCore, nioPosix, system],
            exclude: ["Reference"]),
        tests("CloudletFinding", ["CloudletDiscovery", "CloudletNetwork", "CloudletSystem", nioCore, system]),
        tests("CloudletHypervisor", ["CLibvirt", "CloudletForwarding", "CloudletMarkup", system]),
        tests("CloudletLibUPnP", ["CloudletDiscovery", "CloudletNetwork"]),
        tests("CloudletMarkup"),
        tests("CloudletMessagePack"),
        tests("CloudletNetwork", ["CloudletSystem", nioCore, system]),
        tests(
            "CloudletNode",
            [
                "CloudletAdvertising", "CloudletControl", "CloudletCore", "CloudletDiscovery", "CloudletHypervisor",
                "CloudletNetwork", "CloudletOverlay", "CloudletSession", "CloudletStore", "CloudletSystem",
                "CloudletWire", asyncAlgorithms, hummingbird, lifecycle, logging, metrics, system,
            ], exclude: ["Reference"]),
        tests("CloudletOverlay", ["CloudletSystem", "OverlayExample", system]),
        tests(
            "CloudletSession",
            [
                "CloudletClient", "CloudletMessagePack", "CloudletNetwork", "CloudletOverlay", "CloudletWire",
                asyncAlgorithms, logging, nioCore, system,
            ], exclude: ["Peers"]),
        tests("CloudletStore", [grdb, system]),
        tests(
            "CloudletSynthesis",
            [
                "CloudletCompression", "CloudletHypervisor", "CloudletOverlay", "CloudletStore", "CloudletWire", system,
            ], exclude: ["Reference"]),
        tests("CloudletSystem", [system]),
        tests("CloudletWire", ["CloudletMessagePack", "CloudletOverlay"]),

        // Tests of the programs: on LANs, against other devices, and from end to end.
        .testTarget(
            name: "DiscoveryLabTests",
            dependencies: [
                "CloudletCore", "CloudletDiscovery", "CloudletNetwork", "CloudletSystem", "CloudletTestSupport",
                "cloudlet-find", "discovery-host", subprocess, system,
            ], exclude: ["false-nodes"], swiftSettings: settings),
        tests(
            "CloudletConformance",
            ["CloudletNetwork", "CloudletSystem", "cloudlet-find", "conformance", "discovery-host", system],
            exclude: ["Devices", "Findings"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "CloudletCore", "CloudletHypervisor", "CloudletOverlay", "CloudletStore", "CloudletSystem",
                "CloudletTestSupport", "client-example", "cloudlet", "cloudlet-node", "cloudlet-find", system,
            ], exclude: ["Reference"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

// libFuzzer provides the main function; see Scripts/fuzz.
if Context.environment["CLOUDLET_FUZZ"] != nil {
    // Of targets with many dependencies, the build for libFuzzer takes the parsers only, which shortens it.
    let parsers: [String: (sources: [String], dependencies: [Target.Dependency])] = [
        "CloudletAdvertising": (["UPnP/SOAP.swift"], ["CloudletCore", "CloudletMarkup"]),
        "CloudletDiscovery": (
            [
                "MDNS/DNSMessage.swift", "MDNS/DNSName.swift", "MDNS/DNSReader.swift", "MDNS/DNSRecord.swift",
                "SSDP/SSDPMessage.swift", "SSDP/SSDPSearch.swift",
            ],
            ["CloudletCore", "CloudletNetwork", "CloudletSystem"]
        ),
        "CloudletFinding": (
            ["Verification/HTTPFetch.swift"], ["CloudletCore", "CloudletNetwork", "CloudletSystem"]
        ),
        "CloudletHypervisor": (
            [
                "Machine/Firmware.swift", "Machine/GuestSupport.swift", "Machine/GuestTimekeeping.swift",
                "Machine/MachineDescription.swift", "Machine/VMDescription.swift", "Snapshot/SnapshotFile.swift",
                "Snapshot/SnapshotLayout.swift",
            ], ["CloudletCore", "CloudletSystem", "CloudletMarkup", system]
        ),
        "CloudletNetwork": (
            [
                "Addresses/AbsoluteURL.swift", "Addresses/Authority.swift", "Addresses/Endpoint.swift",
                "Addresses/Endpoint+Authority.swift", "Addresses/HostAndPort.swift", "Addresses/IPAddress.swift",
                "Addresses/ScopedAddress.swift",
                "Interfaces/NetlinkMessages.swift", "Interfaces/NetworkInterface.swift", "Sockets/TCPAttempt.swift",
            ], ["CloudletCore", "CloudletSystem", "CNetwork"]
        ),
        "CloudletSynthesis": (
            [
                "Disk/BootOutlook.swift", "Disk/DiskImageCheck.swift", "Disk/ForeignFormat.swift",
                "Disk/ImageFormat.swift", "Disk/MappedExtents.swift", "Images/DiskImageHeader.swift",
                "Images/ImageContent.swift", "Images/TarArchive.swift",
            ],
            [
                "CloudletCompression", "CloudletCore", "CloudletHypervisor", "CloudletOverlay", "CloudletSystem",
                system,
            ]
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
                "CLinux", "CloudletAdvertising", "CloudletCompression", "CloudletCore", "CloudletDiscovery",
                "CloudletFinding", "CloudletHypervisor", "CloudletMarkup", "CloudletMessagePack", "CloudletNetwork",
                "CloudletOverlay", "CloudletSynthesis", "CloudletSystem", "CloudletWire",
            ], path: "Tests/Fuzz", exclude: ["Corpus"], swiftSettings: settings))
}
