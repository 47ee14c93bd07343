// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletNetwork
import CloudletSession
import CloudletSystem
import Logging
import ServiceLifecycle

/// Serves the synthesis protocol on the configured addresses, or on every address of the chosen interfaces, following
/// changes of the network.
struct SynthesisListener: Service {
    private let server: SessionServer
    private let adopted: [AdoptedSession]
    private let addresses: SynthesisAddresses
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let listeners: InterfaceListeners
    /// Passes sockets to the server.
    private let opened: AsyncStream<SessionListener>
    private let feed: AsyncStream<SessionListener>.Continuation

    /// Creates the service.
    /// - Parameters:
    ///   - server: serves the clients.
    ///   - adopted: sessions of an earlier node to continue.
    ///   - sockets: the sockets, some of which are bound already.
    ///   - interfaces: the interfaces of the network, which may change.
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

    /// The endpoints with an open listener.
    var bound: CurrentValue<Set<InterfaceListeners.Endpoint>> { listeners.bound }

    func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await server.serve(opened, adopting: adopted) }
            await listeners.run(interfaces.values().map { [addresses] in Set(addresses.endpoints(on: $0)) })
            feed.finish()
            // No client can connect any more, so end the sessions.
            group.cancelAll()
        }
    }
}

/// A socket that the server serves until it is closed.
private struct SynthesisSocket: Service {
    let endpoint: InterfaceListeners.Endpoint
    let sockets: SynthesisSockets
    let feed: AsyncStream<SessionListener>.Continuation
    let isBound: @Sendable () -> Void

    func run() async throws {
        let socket = try await sockets.socket(on: endpoint)
        isBound()
        feed.yield(socket)
        // Cancellation ends this, too.
        try? await gracefulShutdown()
        await socket.close()
    }
}
