import CloudletCore

/// Sessions that their clients have finished but not closed yet. The original's clients close them afterwards; once a session
/// is forgotten, the answer is that there is no such session.
///
/// The newest is always kept. Where a client address has its share, or no other address has more, its own oldest session is
/// forgotten for it; otherwise the oldest of the address that has most. So no client makes the node forget what it keeps for
/// a client that has fewer.
struct FinishedSessions {
    private struct Entry {
        let id: SessionID
        let since: ContinuousClock.Instant
    }

    /// The oldest first.
    private var clients: [String: [Entry]] = [:]
    private var owners: [SessionID: String] = [:]

    /// Notes that a client has finished a session.
    /// - Parameters:
    ///   - id: the session.
    ///   - client: the address the session was made from.
    ///   - now: the time.
    ///   - perClient: how many are kept of one client address.
    ///   - total: how many are kept of all.
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

    /// Whether the first of these is forgotten rather than one of the others.
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
    /// - Returns: `false` when it was not finished, was closed before, or is forgotten.
    mutating func close(_ id: SessionID) -> Bool {
        guard let client = owners.removeValue(forKey: id) else { return false }
        clients[client]?.removeAll { $0.id == id }
        if clients[client]?.isEmpty == true { clients[client] = nil }
        return true
    }

    /// Forgets those that were not closed in so long a time.
    mutating func forget(olderThan age: Duration, at now: ContinuousClock.Instant = .now) {
        for list in clients.values {
            for entry in list where now - entry.since >= age { _ = close(entry.id) }
        }
    }
}
