// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Sessions that their clients have finished but not closed yet. The original's clients close a session after FINISH;
/// once a session is forgotten, that request fails because there is no such session.
///
/// The newest session is always kept. If its client address has reached its share, or no other address has more
/// sessions, the oldest session of the same address is forgotten for it; otherwise the oldest session of the address
/// that has the most. So no client can displace the sessions of a client that has fewer.
struct FinishedSessions {
    private struct Entry {
        let id: SessionID
        let since: ContinuousClock.Instant
    }

    /// The sessions of each client address, the oldest first.
    private var clients: [String: [Entry]] = [:]
    private var owners: [SessionID: String] = [:]

    /// Notes that a client has finished a session.
    /// - Parameters:
    ///   - id: the session.
    ///   - client: the address the session was made from.
    ///   - now: the time.
    ///   - perClient: how many sessions of one client address are kept.
    ///   - total: how many sessions are kept in total.
    mutating func note(
        _ id: SessionID, of client: String, at now: ContinuousClock.Instant = .now, perClient: Int, total: Int
    ) {
        guard owners[id] == nil else { return }
        let own = clients[client, default: []].count
        if own >= perClient {
            forgetOldest(of: client)
        } else if owners.count >= total {
            let most = clients.max { Self.isForgotten($1.value, before: $0.value) }
            forgetOldest(of: most.map { $0.value.count > own ? $0.key : client } ?? client)
        }
        clients[client, default: []].append(Entry(id: id, since: now))
        owners[id] = client
    }

    /// Whether the oldest session of `own` is forgotten before the oldest of `others`.
    private static func isForgotten(_ own: [Entry], before others: [Entry]) -> Bool {
        guard own.count == others.count, let first = own.first, let other = others.first else {
            return own.count > others.count
        }
        return first.since < other.since
    }

    private mutating func forgetOldest(of client: String) {
        if let oldest = clients[client]?.first { _ = close(oldest.id) }
    }

    /// Closes a session.
    /// - Returns: `false` if it was not finished, was closed before, or is forgotten.
    mutating func close(_ id: SessionID) -> Bool {
        guard let client = owners.removeValue(forKey: id) else { return false }
        clients[client]?.removeAll { $0.id == id }
        if clients[client]?.isEmpty == true { clients[client] = nil }
        return true
    }

    /// Forgets sessions that were finished longer than `age` ago.
    mutating func forget(olderThan age: Duration, at now: ContinuousClock.Instant = .now) {
        for list in clients.values {
            for entry in list where now - entry.since >= age { _ = close(entry.id) }
        }
    }
}
