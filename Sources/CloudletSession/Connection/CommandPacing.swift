// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletWire
import Synchronization

/// Slows down clients that send many commands, by a rate for each connection and one for each client address.
final class CommandPacing: Sendable {
    private let client: String
    private let connection: Mutex<Pacer>
    private let address: RateLimit

    init(of client: String, _ limits: SessionLimits, _ address: RateLimit) {
        self.client = client
        self.address = address
        connection = Mutex(Pacer(perSecond: limits.commandRate.perSecond, burst: limits.commandRate.burst))
    }

    /// Charges an event to the client's rates.
    /// - Returns: how long the client has to wait; `nil` if the event costs nothing.
    func take(_ event: ServerConversation.Event) -> Duration? { event.cost.map(take) }

    /// Charges a new connection to the client's rates.
    func takeConnection() -> Duration { take(1) }

    private func take(_ cost: Int) -> Duration {
        max(connection.withLock { $0.take(cost) } ?? .zero, address.take(cost, for: client) ?? .zero)
    }
}

extension ServerConversation.Event {
    /// What the event costs of the client's rates; `nil` for parts of a transfer, which has limits of its own.
    fileprivate var cost: Int? {
        switch self {
        case .createSession, .finish, .closeSession, .resourceInfo: 1
        case .meta: 4
        // The node starts a program for each of these.
        case .overlayURL: 16
        case .blob, .request, .allReceived: nil
        }
    }
}
