import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore
import Synchronization

/// Counts connections against bounds, in all and by client address, and turns away those beyond.
final class ConnectionPlaces: Sendable {
    private struct State {
        var total = 0
        var byClient: [String: Int] = [:]
        /// Connections that are being turned away with a reason.
        var refusals = 0
    }

    private let state = Mutex(State())

    /// Connections that are told why they are turned away, at the same time; the others are closed at once.
    private static let refusals = 64
    private static let patience = Duration.seconds(1)

    /// Takes a place.
    /// - Returns: why there is none, or `nil` when there was.
    func take(_ client: String, _ limits: SessionServer.Limits) -> CloudletError? {
        state.withLock { state in
            guard state.total < limits.connections else {
                return CloudletError(.busy, "the node has too many connections", advice: "try again later")
            }
            guard state.byClient[client, default: 0] < limits.connectionsPerClient else {
                return CloudletError(.busy, "too many connections from \(client)", advice: "close some")
            }
            state.total += 1
            state.byClient[client, default: 0] += 1
            return nil
        }
    }

    /// Gives a place back.
    func giveBack(_ client: String) {
        state.withLock { state in
            state.total -= 1
            guard let count = state.byClient[client] else { return }
            state.byClient[client] = count > 1 ? count - 1 : nil
        }
    }

    /// Tells a client why it is turned away, and closes the connection.
    func refuse(_ connection: SessionListener.Connection, _ reason: CloudletError) async {
        let isTold = state.withLock { state in
            guard state.refusals < Self.refusals else { return false }
            state.refusals += 1
            return true
        }
        guard isTold else { return await SessionListener.refuse(connection) }
        defer { state.withLock { $0.refusals -= 1 } }
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
