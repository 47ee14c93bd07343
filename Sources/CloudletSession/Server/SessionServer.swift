package import CloudletCore
import CloudletNetwork
package import CloudletSystem
package import CloudletWire
package import Logging
import NIOCore

/// Listens for clients of the synthesis protocol and serves each in a task of its own.
package struct SessionServer: Sendable {
    /// Bounds on clients.
    package struct Limits: Sendable {
        /// Bounds on messages.
        package var conversation = ServerConversation.Limits()
        /// How long a client may keep silent when it is its turn: before a command, in the middle of one, in a
        /// transfer.
        package var clientSilence = Duration.seconds(30)
        /// Fewest bytes a second in a transfer, over windows as long as `clientSilence`.
        package var minimumRate = 1024
        /// How long a VM lives on after its client's connection was lost.
        package var lease = Duration.seconds(300)
        /// How long a client may take to come back when its connection was lost in the transfer.
        package var comeback = Duration.seconds(60)
        /// Bytes of metas of all connections that have not been read yet, because they are incomplete or wait for
        /// their turn. A client address has a quarter.
        package var bufferedMetas = 64 << 20
        /// Bytes that the large metas of all sessions take once they are read. A client address has a quarter.
        package var heldMetas = 128 << 20
        /// Commands of a connection that are answered a second in the long run, and at once.
        package var commandRate = (perSecond: 32.0, burst: 64)
        /// Connections and commands of a client address that are taken on a second in the long run, and at once.
        package var addressRate = (perSecond: 256.0, burst: 768)
        /// How long a client may take to end its connection after the last word.
        package var farewell = Duration.seconds(2)
        /// Whether VMs are left running when the server stops, for the next one to adopt.
        package var keepsVMs = false
        /// Connections at the same time. One more, and an idle connection of the client address that has most gives
        /// way.
        package var connections = 512
        /// Those of one client address.
        package var connectionsPerClient = 256
        /// How long a client's host may be unreachable before its connection counts as lost. Whole seconds, at least 3.
        package var unreachable = Duration.seconds(60)

        /// The default bounds.
        package init() {}
    }

    private let backend: any SynthesisBackend
    /// The bounds on clients; changed ones hold for connections that come later, the time after a lost connection at once.
    package let limits: LockedValue<Limits>
    private let logger: Logger
    private let shared: ServerConnection.Shared
    /// The sessions, for lists and statistics.
    package let table: SessionTable

    /// Creates a server.
    package init(backend: any SynthesisBackend, limits: Limits = Limits(), logger: Logger) {
        self.backend = backend
        self.limits = LockedValue(limits)
        self.logger = logger
        shared = ServerConnection.Shared(limits)
        table = SessionTable()
    }

    /// Binds an address.
    /// - Parameters:
    ///   - address: an IPv4 or IPv6 address of this host, or a wildcard.
    ///   - port: the port; 0 picks a free one.
    ///   - gate: bounds the connections that are accepted at all; shared by listeners.
    /// - Returns: the listener, to be handed to ``serve(_:)``.
    /// - Throws: `CloudletError.busy` when the port is taken.
    package static func bind(
        address: String, port: UInt16, gate: AcceptGate = AcceptGate()
    ) async throws(CloudletError) -> SessionListener {
        try await SessionListener(address: address, port: port, gate: gate)
    }

    /// Serves clients of the listeners that `listeners` gives, until the task is cancelled. All sessions and their VMs
    /// have ended then, unless they are to be kept.
    /// - Parameters:
    ///   - listeners: the sockets.
    ///   - adopted: sessions of an earlier server whose VMs run.
    package func serve<Listeners: AsyncSequence & Sendable>(
        _ listeners: Listeners, adopting adopted: [AdoptedSession] = []
    ) async where Listeners.Element == SessionListener {
        let patience = { @Sendable [limits] in
            SessionSupervisor.Patience(transfer: limits.value.comeback, lease: limits.value.lease)
        }
        let supervisor = SessionSupervisor(
            backend: backend, patience: patience, keepsVMs: limits.value.keepsVMs, logger: logger)
        await withDiscardingTaskGroup { group in
            group.addTask { await supervisor.run(adopting: adopted, table: table) }
            let places = ConnectionPlaces()
            do {
                for try await listener in listeners {
                    group.addTask { await accept(listener, supervisor, places) }
                }
            } catch {
                logger.error("no more addresses are listened on", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func accept(
        _ listener: SessionListener, _ supervisor: SessionSupervisor, _ places: ConnectionPlaces
    ) async {
        await withDiscardingTaskGroup { group in
            while let connection = try? await listener.next() {
                let (channel, client) = (connection.channel, connection.channel.remoteAddress?.ipAddress ?? "unknown")
                let place: ConnectionShares.Place
                do throws(CloudletError) {
                    place = try places.take(client, limits.value) { [logger] in
                        channel.close(promise: nil)
                        logger.debug("an idle connection gives way", metadata: ["client": "\(client)"])
                    }
                } catch {
                    group.addTask { await places.refuse(connection, error) }
                    continue
                }
                group.addTask {
                    defer { places.giveBack(place) }
                    await serve(connection, at: place, supervisor)
                }
            }
            await listener.close()
        }
    }

    private func serve(
        _ connection: SessionListener.Connection, at place: ConnectionShares.Place, _ supervisor: SessionSupervisor
    ) async {
        let channel = connection.channel
        let unreachable = limits.value.unreachable
        let probe = { @Sendable (isUrgent: Bool) in
            if isUrgent { channel.askPeer() } else { channel.probePeer(atLatestAfter: unreachable) }
        }
        let served = ServerConnection(
            table: table, supervisor: supervisor, backend: backend, limits: limits.value, shared: shared,
            place: place, localAddress: channel.localAddress?.ipAddress ?? "", probe: probe, logger: logger)
        probe(false)
        // Failures of the connection itself are told in the log by `serve`.
        try? await connection.stream.executeThenClose { inbound, outbound in
            await served.serve(inbound, outbound, connection.arrived)
        }
    }
}
