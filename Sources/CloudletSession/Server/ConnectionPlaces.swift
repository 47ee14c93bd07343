import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore

/// Counts connections against the bounds, and turns away those beyond.
final class ConnectionPlaces: Sendable {
    private let connections = ConnectionCount()
    /// Connections that are told why they are turned away, at the same time; the others are closed at once.
    private let refusals = Slots(64)
    private static let patience = Duration.seconds(1)

    /// Takes a place.
    /// - Returns: why there is none, or `nil` when there was.
    func take(_ client: String, _ limits: SessionServer.Limits) -> CloudletError? {
        switch connections.open(from: client, total: limits.connections, perSource: limits.connectionsPerClient) {
        case .total: CloudletError(.busy, "the node has too many connections", advice: "try again later")
        case .source: CloudletError(.busy, "too many connections from \(client)", advice: "close some")
        case nil: nil
        }
    }

    /// Gives a place back.
    func giveBack(_ client: String) { connections.close(from: client) }

    /// Tells a client why it is turned away, and closes the connection.
    func refuse(_ connection: SessionListener.Connection, _ reason: CloudletError) async {
        guard refusals.tryTake() else { return await SessionListener.refuse(connection) }
        defer { refusals.giveBack() }
        let message = Frame.encode(ServerMessage.fail(reason: reason.description).value)
        try? await connection.executeThenClose { inbound, outbound in
            _ = try? await withDeadline(Self.patience) { () async throws(CloudletError) in
                try? await outbound.write(ByteBuffer(bytes: message))
                outbound.finish()
                // Closed with bytes unread, the connection would be reset and the reason lost.
                do { for try await _ in inbound {} } catch {}
            }
        }
    }
}
