import CloudletSystem
import CloudletWire
import Synchronization

/// Slows a client down that wants much at once, by a rate of its connection and one of all connections of its address.
final class CommandPacing: Sendable {
    private let client: String
    private let connection: Mutex<Pacer>
    private let address: RateLimit

    init(of client: String, _ limits: SessionLimits, _ address: RateLimit) {
        self.client = client
        self.address = address
        connection = Mutex(Pacer(perSecond: limits.commandRate.perSecond, burst: limits.commandRate.burst))
    }

    /// Takes what an event costs.
    /// - Returns: how long the client has to wait; `nil` for what costs nothing.
    func take(_ event: ServerConversation.Event) -> Duration? { event.cost.map(take) }

    /// Takes what a connection costs.
    func takeConnection() -> Duration { take(1) }

    private func take(_ cost: Int) -> Duration {
        max(connection.withLock { $0.take(cost) } ?? .zero, address.take(cost, for: client) ?? .zero)
    }
}

extension ServerConversation.Event {
    /// What it costs of the client's rate; `nil` for what belongs to a transfer, which is bounded by itself.
    fileprivate var cost: Int? {
        switch self {
        case .createSession, .finish, .closeSession, .resourceInfo: 1
        case .meta: 4
        // A program is started for each.
        case .overlayURL: 16
        case .blob, .request, .allReceived: nil
        }
    }
}
