import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore

/// Gives connections their permits, and refuses those for which there is none.
final class ConnectionLimiter: Sendable {
    private let shares = ConnectionShares()
    /// Connections that receive the reason of their refusal, at the same time; the others are closed at once.
    private let refusals = AsyncSemaphore(32)
    private static let refusalTimeout = Duration.seconds(1)

    /// Takes a permit.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - limits: the bounds.
    ///   - onRevoke: closes the connection, when another one needs its permit more.
    /// - Returns: the permit.
    /// - Throws: `CloudletError.busy` when there is none.
    func acquire(
        _ client: String, _ limits: SessionLimits, onRevoke: @escaping @Sendable () -> Void
    ) throws(CloudletError) -> ConnectionShares.Permit {
        do throws(ConnectionShares.Excess) {
            return try shares.acquire(
                from: client, total: limits.connections, perSource: limits.connectionsPerClient, onRevoke: onRevoke)
        } catch {
            switch error {
            case .total: throw CloudletError(.busy, "the node has too many connections", advice: "try again later")
            case .source: throw CloudletError(.busy, "too many connections from \(client)", advice: "close some")
            }
        }
    }

    /// Frees a permit.
    func release(_ permit: ConnectionShares.Permit) { shares.release(permit) }

    /// Tells a client why it is refused, and closes the connection.
    func refuse(_ connection: SessionListener.Connection, _ reason: CloudletError) async {
        guard refusals.tryAcquire() else { return await SessionListener.refuse(connection) }
        defer { refusals.release() }
        let message = Frame.encode(ServerMessage.fail(reason: reason.publicDescription).value)
        try? await connection.stream.executeThenClose { inbound, outbound in
            _ = try? await withDeadline(Self.refusalTimeout) { () async throws(CloudletError) in
                try? await outbound.write(ByteBuffer(bytes: message))
                outbound.finish()
                // Closed with bytes unread, the connection would be reset and the reason lost.
                do { for try await _ in inbound {} } catch {}
            }
        }
    }
}
