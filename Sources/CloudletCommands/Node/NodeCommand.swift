public import ArgumentParser
import CloudletCore
import CloudletDiscovery
import CloudletNode
import CloudletStore
import Foundation
import Logging
import SystemPackage

/// `cloudlet-node`: the daemon.
public struct NodeCommand: AsyncParsableCommand {
    /// Name and purpose.
    public static let configuration = CommandConfiguration(
        commandName: "cloudlet-node", abstract: "Be a cloudlet: found on the LAN, synthesizing VMs for its clients.",
        discussion: "Every option can also be set by an environment variable or in the configuration file; "
            + "'cloudlet config' lists them. SIGTERM ends the node and its VMs.",
        version: ProgramVersion.text)

    @Option(help: "ADDRESS:PORT to listen on; repeatable; default port 8021 of every LAN address.")
    var listen: [String] = []

    @Option(help: "Interface to advertise and listen on; repeatable; default every LAN interface.")
    var interface: [String] = []

    @Option(help: "Name shown to people.")
    var name: String?

    @Option(name: .customLong("http-port"), help: "Port of description, status and page.")
    var httpPort: String?

    @Option(name: .customLong("upnp-engine"), help: "Who answers SSDP searches: native, libupnp or off.")
    var upnpEngine: String?

    @Option(help: "libvirt to use instead of a driver inside this process.")
    var connect: String?

    @Option(help: "What executes guest code: auto, kvm or tcg.")
    var accelerator: String?

    @Option(name: .customLong("log-level"), help: "What is logged: trace, debug, info, notice, warning, error.")
    var logLevel: String?

    @Option(help: "Configuration file.", completion: .file())
    var config: String?

    /// Creates the command.
    public init() {}

    /// Runs the node until it is told to end.
    public func run() async throws {
        let home = try CloudletHome.current()
        let configuration = try NodeConfiguration(try await source(home))
        var logger = Logger(label: "cloudlet-node") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = configuration.logLevel
        try await Node(configuration: configuration, home: home, logger: logger).run()
    }

    private func source(_ home: CloudletHome) async throws(CloudletError) -> ConfigurationSource {
        var options: [String: [String]] = [:]
        let words: [(String, [String])] = [
            ("listen", listen), ("interfaces", interface), ("name", name.map { [$0] } ?? []),
            ("http.port", httpPort.map { [$0] } ?? []), ("upnp.engine", upnpEngine.map { [$0] } ?? []),
            ("hypervisor.connect", connect.map { [$0] } ?? []),
            ("hypervisor.accelerator", accelerator.map { [$0] } ?? []), ("log.level", logLevel.map { [$0] } ?? []),
        ]
        for (key, values) in words where !values.isEmpty { options[key] = values }
        let file = config.map { FilePath($0) } ?? home.root.appending("cloudlet.yaml")
        return try await ConfigurationSource(
            options: options, environment: ProcessInfo.processInfo.environment, file: file, isNamed: config != nil)
    }
}

/// What `cloudlet-node` runs before anything else: in the contained child of the libupnp engine it never returns.
public enum NodeEngineChild {
    /// Becomes the engine's child when the process was started as one.
    public static func runIfRequested() { UPnPEngineChild.runIfRequested() }
}
