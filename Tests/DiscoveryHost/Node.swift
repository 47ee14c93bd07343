// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletAdvertising
import CloudletCore
import CloudletDiscovery
import CloudletLibUPnP
import CloudletNetwork
import CloudletNode
import CloudletSystem
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// Runs the advertising half of a node until SIGTERM. Lines on standard input change it: `name NEW`, `load 0.5`, `base
/// HASH`.
func runNode(_ options: Options) async throws {
    var logger = Logger(label: "node")
    logger.logLevel = .info
    let monitor = try NetworkMonitor(policy: InterfacePolicy(names: options.all("interface")), logger: logger)
    let record = CurrentValue(
        NodeRecord(
            id: options.one("id").flatMap { NodeID($0) } ?? .random(), name: options.one("name") ?? "Test node",
            synthesisPort: options.one("port").flatMap { UInt16($0) } ?? 8021,
            httpPort: options.one("http").flatMap { UInt16($0) } ?? NodeRecord.defaultHTTPPort,
            bases: options.all("base").compactMap { SHA256Digest(hex: $0) }.map { HeldBase(hash: $0, name: "base") },
            load: 0.25, freeMemory: .mebibytes(4096), features: ["tcg"]))
    let subscriptions = EventSubscriptions(record: record, logger: logger)
    let router = NodeRouter()
    UPnPRoutes(record: record, subscriptions: subscriptions, interfaces: monitor.interfaces).add(to: router)
    PresentationPage(record: record).add(to: router)
    let server = NodeHTTPServer(
        record: record, interfaces: monitor.interfaces, responder: router.buildResponder(), logger: logger)
    var services: [any Service] = [monitor, subscriptions, server, Commands(record: record)]
    let ssdp: any Advertiser =
        options.one("engine") == "libupnp"
        ? LibUPnPAdvertiser(record: record, interfaces: monitor.interfaces, logger: logger)
        : SSDPAdvertiser(
            record: record, interfaces: monitor.interfaces,
            maximumAge: options.one("max-age").flatMap { Int($0) } ?? 1800, logger: logger)
    services.append(ssdp)
    if !options.has("closed") { services.append(SynthesisPort(port: Int(record.value.synthesisPort))) }
    if !options.has("no-mdns") {
        services.append(
            MDNSAdvertiser(
                record: record, interfaces: monitor.interfaces, withOldName: options.has("old-name"),
                returnAfter: .seconds(options.one("return-after").flatMap { Int($0) } ?? 300), logger: logger))
    }
    let group = ServiceGroup(
        configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
}

/// Changes the record as the lines of standard input say.
private struct Commands: Service {
    let record: CurrentValue<NodeRecord>

    func run() async throws {
        let record = record
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        let reader = Task.detached {
            while let line = readLine() { continuation.yield(line) }
        }
        defer { reader.cancel() }
        for await line in lines.cancelOnGracefulShutdown() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            guard words.count == 2 else { continue }
            record.update { record in
                switch words[0] {
                case "name": record.name = words[1]
                case "load": record.load = Double(words[1]) ?? 0
                case "sessions": record.sessions = Int(words[1]) ?? 0
                case "base":
                    record.bases += SHA256Digest(hex: words[1]).map { [HeldBase(hash: $0, name: "added")] } ?? []
                default: break
                }
            }
        }
        try await gracefulShutdown()
    }
}

/// Stands in for the synthesis protocol: accepts connections and says nothing.
private struct SynthesisPort: Service {
    let port: Int

    func run() async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "::", port: port).get()
        try await gracefulShutdown()
        try await channel.close()
    }
}
