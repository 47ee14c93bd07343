package import ArgumentParser
import CloudletCore
import CloudletLibUPnP
import CloudletNode
import CloudletStore
import CloudletSystem
import Foundation
import SystemPackage

/// `cloudlet-node`: the daemon.
package struct NodeCommand: AsyncParsableCommand {
    /// Name and purpose.
    package static let configuration = CommandConfiguration(
        commandName: "cloudlet-node", abstract: "Be a cloudlet: found on the LAN, synthesizing VMs for its clients.",
        discussion: "Every option can also be set by an environment variable or in the configuration file; "
            + "'cloudlet config' lists them. SIGHUP makes the node read them again, SIGTERM ends it and its VMs.",
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

    @Option(name: .customLong("log-format"), help: "Form of log lines: auto, text, json or journald.")
    var logFormat: String?

    @Option(help: "Configuration file.", completion: .file())
    var config: String?

    /// Creates the command.
    package init() {}

    /// Runs the node until it is told to end.
    package func run() async throws {
        MallocArenas.limit()
        DescriptorLimit.raise()
        try await DispatchFiles.keep()
        let home = try CloudletHome.current()
        let (options, file, isNamed) = (options, config.map { FilePath($0) } ?? home.configuration, config != nil)
        let read = { @Sendable () async throws(CloudletError) -> NodeConfiguration in
            try NodeConfiguration(
                try await ConfigurationSource(
                    options: options, environment: ProcessInfo.processInfo.environment, file: file, isNamed: isNamed))
        }
        let configuration = try await read()
        let logs = LogOutput(
            identifier: "cloudlet-node", format: configuration.logFormat, level: configuration.logLevel)
        do {
            try await Node(configuration: configuration, home: home, logs: logs, reload: read).run()
            await logs.flush()
        } catch {
            await logs.flush()
            throw error
        }
    }

    /// What the command line says, by key.
    private var options: [String: [String]] {
        var options: [String: [String]] = [:]
        let words: [(String, [String])] = [
            ("listen", listen), ("interfaces", interface), ("name", name.map { [$0] } ?? []),
            ("http.port", httpPort.map { [$0] } ?? []), ("upnp.engine", upnpEngine.map { [$0] } ?? []),
            ("hypervisor.connect", connect.map { [$0] } ?? []),
            ("hypervisor.accelerator", accelerator.map { [$0] } ?? []), ("log.level", logLevel.map { [$0] } ?? []),
            ("log.format", logFormat.map { [$0] } ?? []),
        ]
        for (key, values) in words where !values.isEmpty { options[key] = values }
        return options
    }
}

/// What `cloudlet-node` runs before anything else: in the contained child of the libupnp engine it never returns.
package enum NodeEngineChild {
    /// Becomes the engine's child when the process was started as one.
    package static func runIfRequested() { UPnPEngineChild.runIfRequested() }
}
