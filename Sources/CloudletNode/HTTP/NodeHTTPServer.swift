public import CloudletDiscovery
public import Hummingbird
import HummingbirdCore
public import Logging
public import ServiceLifecycle

/// The node's HTTP server: one listener for each address of the chosen interfaces, and none elsewhere; follows the
/// network.
public struct NodeHTTPServer<Responder: HTTPResponder>: Service where Responder.Context == NodeRequestContext {
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let port: UInt16
    private let responder: Responder
    private let logger: Logger
    private let connections = ConnectionCount()

    /// A server that answers with `responder` on `port` of every address.
    public init(
        interfaces: CurrentValue<[NetworkInterface]>, port: UInt16, responder: Responder, logger: Logger
    ) {
        self.interfaces = interfaces
        self.port = port
        self.responder = responder
        self.logger = logger
    }

    /// Listens until the service is shut down.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            var running: [String: CurrentValue<Bool>] = [:]
            for await interfaces in interfaces.values().cancelOnGracefulShutdown() {
                let wanted = Set(interfaces.flatMap(Self.hosts))
                for (host, listening) in running where !wanted.contains(host) {
                    listening.set(false)
                    running[host] = nil
                }
                for host in wanted where running[host] == nil {
                    let listening = CurrentValue(true)
                    running[host] = listening
                    group.addTask { await listen(on: host, while: listening) }
                }
            }
        }
    }

    /// The addresses of an interface as host names; link-local IPv6 ones with their zone.
    private static func hosts(_ interface: NetworkInterface) -> [String] {
        interface.addresses.map { entry in
            entry.address.isLinkLocal && !entry.address.isV4 ? "\(entry.address)%\(interface.name)" : "\(entry.address)"
        }
    }

    /// One listener, started again after a pause when it fails.
    private func listen(on host: String, while listening: CurrentValue<Bool>) async {
        var complained = false
        while listening.value, !Task.isCancelled, !Task.isShuttingDownGracefully {
            do {
                // Its own group, so that one address can be given up in good order: connections end their request.
                let service = ServiceGroup(services: [application(host)], logger: logger)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await service.run() }
                    group.addTask {
                        for await goesOn in listening.values() where !goesOn { await service.triggerGracefulShutdown() }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            } catch {
                if !complained {
                    logger.warning(
                        "can't serve HTTP here, will try again", metadata: ["address": "\(host)", "error": "\(error)"])
                    complained = true
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func application(_ host: String) -> Application<Responder> {
        var quiet = logger
        quiet.logLevel = .warning
        return Application(
            responder: responder,
            server: HTTPServerBuilder { [connections] in GuardedHTTPChannel(connections: connections, responder: $0) },
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: Int(port)), serverName: "Linux UPnP/2.0 Cloudlet/1.0"),
            logger: quiet)
    }
}
