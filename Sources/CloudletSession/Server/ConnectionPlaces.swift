import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore

/// Gives connections their places, and turns away those for which there is none.
final class ConnectionPlaces: Sendable {
    private let shares = ConnectionShares()
    /// Connections that are told why they are turned away, at the same time; the others are closed at once.
    private let refusals = AsyncSemaphore(32)
    private static let patience = Duration.seconds(1)

    /// Takes a place.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - limits: the bounds.
    ///   - giveWay: closes the connection, when another one needs its place more.
    /// - Returns: the place.
    /// - Throws: `CloudletError.busy` when there is none.
    func take(
        _ client: String, _ limits: SessionServer.Limits, giveWay: @escaping @Sendable () -> Void
    ) throws(CloudletError) -> ConnectionShares.Place {
        do throws(ConnectionShares.Excess) {
            return try shares.open(
                from: client, total: limits.connections, perSource: limits.connectionsPerClient, giveWay: giveWay)
        } catch {
            switch error {
            case .total: throw CloudletError(.busy, "the node has too many connections", advice: "try again later")
            case .source: throw CloudletError(.busy, "too many connections from \(client)", advice: "close some")
            }
        }
    }

    /// Gives a place back.
    func giveBack(_ place: ConnectionShares.Place) { shares.close(place) }

    /// Tells a client why it is turned away, and closes the connection.
    func refuse(_ connection: SessionListener.Connection, _ reason: CloudletError) async {
        guard refusals.tryAcquire() else { return await SessionListener.refuse(connection) }
        defer { refusals.release() }
        let message = Frame.encode(ServerMessage.fail(reason: reason.publicDescription).value)
        try? await connection.stream.executeThenClose { inbound, outbound in
            _ = try? await withDeadline(Self.patience) { () async throws(CloudletError) in
                try? await outbound.write(ByteBuffer(bytes: message))
                outbound.finish()
                // Closed with bytes unread, the connection would be reset and the reason lost.
                do { for try await _ in inbound {} } catch {}
            }
        }
    }
}
