// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore

/// Gives permits to connections, and refuses connections when there is no permit left.
final class ConnectionLimiter: Sendable {
    private let shares = ConnectionShares()
    /// How many connections can receive the reason for their refusal at the same time; others are closed at once.
    private let refusals = AsyncSemaphore(32)
    private static let refusalTimeout = Duration.seconds(1)

    /// Acquires a permit.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - limits: the limits on clients.
    ///   - onRevoke: closes the connection when its permit is needed for another one.
    /// - Returns: the permit.
    /// - Throws: `CloudletError.busy` when there is no permit left.
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

    /// Releases a permit.
    func release(_ permit: ConnectionShares.Permit) { shares.release(permit) }

    /// Sends a client the reason for its refusal, and closes the connection.
    func refuse(_ connection: SessionListener.Connection, _ reason: CloudletError) async {
        guard refusals.tryAcquire() else { return await SessionListener.refuse(connection) }
        defer { refusals.release() }
        let message = Frame.encode(ServerMessage.fail(reason: reason.publicDescription).value)
        try? await connection.stream.executeThenClose { inbound, outbound in
            _ = try? await withDeadline(Self.refusalTimeout) { () async throws(CloudletError) in
                try? await outbound.write(ByteBuffer(bytes: message))
                outbound.finish()
                // Read what the client sends: closing with unread bytes would reset the connection, and the reason
                // would be lost.
                do { for try await _ in inbound {} } catch {}
            }
        }
    }
}
