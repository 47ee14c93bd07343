import CloudletNetwork
import CloudletSession
import CloudletSystem
import Logging
import ServiceLifecycle

/// Serves the synthesis protocol on the addresses configured, or on every address of the chosen interfaces, following the
/// network.
struct SynthesisListener: Service {
    private let server: SessionServer
    private let adopted: [AdoptedSession]
    private let addresses: SynthesisAddresses
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let listeners: InterfaceListeners
    /// Hands sockets to the server.
    private let opened: AsyncStream<SessionListener>
    private let feed: AsyncStream<SessionListener>.Continuation

    /// A service for clients.
    /// - Parameters:
    ///   - server: serves them.
    ///   - adopted: sessions of an earlier node.
    ///   - sockets: the sockets, some of them bound already.
    ///   - interfaces: the interfaces of the network, as they come and go.
    ///   - logger: receives failures.
    init(
        server: SessionServer, adopting adopted: [AdoptedSession] = [], sockets: SynthesisSockets,
        interfaces: CurrentValue<[NetworkInterface]>, logger: Logger
    ) {
        self.server = server
        self.adopted = adopted
        self.interfaces = interfaces
        addresses = sockets.addresses
        (opened, feed) = AsyncStream.makeStream(of: SessionListener.self)
        listeners = InterfaceListeners("synthesis", bound: Set(sockets.bound.keys), logger: logger) {
            [feed] endpoint, isBound in
            SynthesisSocket(endpoint: endpoint, sockets: sockets, feed: feed, isBound: isBound)
        }
    }

    /// The endpoints that are listened on now.
    var bound: CurrentValue<Set<InterfaceListeners.Endpoint>> { listeners.bound }

    func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await server.serve(opened, adopting: adopted) }
            await listeners.run(interfaces.values().map { [addresses] in Set(addresses.endpoints(on: $0)) })
            feed.finish()
            // Clients can't come any more: now their sessions end.
            group.cancelAll()
        }
    }
}

/// One socket, which the server serves until it is closed.
private struct SynthesisSocket: Service {
    let endpoint: InterfaceListeners.Endpoint
    let sockets: SynthesisSockets
    let feed: AsyncStream<SessionListener>.Continuation
    let isBound: @Sendable () -> Void

    func run() async throws {
        let socket = try await sockets.socket(on: endpoint)
        isBound()
        feed.yield(socket)
        // Ends by cancellation, too.
        try? await gracefulShutdown()
        await socket.close()
    }
}
