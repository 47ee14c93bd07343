// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletNetwork
package import CloudletSystem

/// The sessions of the node: the live ones, and those that ended recently.
package actor SessionTable {
    /// How many sessions are kept, and how long.
    package struct Limits: Sendable {
        /// How long a session may exist without being used.
        package var unused = Duration.seconds(120)
        /// The largest number of live sessions, used or not. Beyond it, the oldest unused session of the client address
        /// that has the most of them is dropped.
        package var sessions = 10_000
        /// The largest number of unused sessions of one client address. Beyond it, the oldest of them is dropped.
        package var unusedPerClient = 64
        /// The largest number of sessions of one client address that are finished but not closed yet, see
        /// ``FinishedSessions``. The largest total number is ``sessions``.
        var finishedPerClient = 64

        /// The default limits.
        package init() {}
    }

    private var sessions: [SessionID: Session] = [:]
    /// Sessions by client address, the oldest first, that were unused at the last check.
    private var unused: [String: [Session]] = [:]
    private var swept = ContinuousClock.now
    private var ended: [SessionStatus] = []
    private var finished = FinishedSessions()
    /// Grows with every change of a session's status.
    package nonisolated let changes = CurrentValue(0)
    private let limits: Limits
    private static let sweepInterval = Duration.milliseconds(250)

    /// An empty table.
    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Creates a session for a client.
    /// - Throws: `CloudletError.busy` when there are too many.
    func create(client: String) throws(CloudletError) -> Session {
        // Checking all sessions each time would be expensive when a client creates many.
        if ContinuousClock.now - swept > Self.sweepInterval { removeStale() }
        unused[client]?.removeAll { !$0.isUnused }
        let own = unused[client, default: []]
        if own.count >= limits.unusedPerClient, let oldest = own.first { giveUp(oldest) }
        if sessions.count >= limits.sessions {
            removeStale()
            if sessions.count >= limits.sessions { try makeRoom(own: own.count) }
        }
        var id = SessionID.random()
        while sessions[id] != nil { id = .random() }
        let session = Session(id: id, client: client, changed: noteChange)
        sessions[id] = session
        unused[client, default: []].append(session)
        return session
    }

    /// Drops an unused session of the client address that has the most.
    /// - Parameter own: how many unused sessions the requesting client has; clients that have no more than that lose
    ///   none.
    /// - Throws: `CloudletError.busy` if no client has more.
    private func makeRoom(own: Int) throws(CloudletError) {
        while let (client, list) = unused.max(by: { $0.value.count < $1.value.count }), list.count > own {
            let live = list.filter(\.isUnused)
            unused[client] = live.isEmpty ? nil : live
            if live.count == list.count, let oldest = live.first { return giveUp(oldest) }
        }
        throw CloudletError(.busy, "the node has too many sessions", advice: "try again later")
    }

    /// Adds a session of an earlier node.
    func adopt(_ session: Session) {
        sessions[session.id] = session
        noteChange()
    }

    /// Notes that the status of a session has changed.
    nonisolated func noteChange() { changes.update { $0 &+= 1 } }

    /// Ends the oldest session that its client has abandoned, because the client begins another one with the same
    /// overlay and the new VM needs the same ports.
    /// - Parameters:
    ///   - client: the client's address.
    ///   - meta: digest of the overlay's meta.
    ///   - asksPeers: whether connections that seem alive are probed first.
    /// - Returns: the session that is ending, if there was one.
    func replace(of client: String, _ meta: SHA256Digest, asksPeers: Bool) async -> Session? {
        let own = sessions.values.filter { $0.runs(meta, for: client) }.sorted { $0.born < $1.born }
        if let session = own.first(where: { $0.replace() }) { return session }
        guard asksPeers, !own.isEmpty else { return nil }
        for session in own { session.probe(isUrgent: true) }
        defer { for session in own { session.probe(isUrgent: false) } }
        let end = ContinuousClock.now + Reachability.answer
        while ContinuousClock.now < end, !Task.isCancelled {
            let others = own.filter { $0.endReason == nil }
            // If all of them end for another reason, there is nothing to replace.
            guard !others.isEmpty else { return own.last }
            await Self.waitUntilReplaceable(others, until: end)
            if let session = own.first(where: { $0.replace() }) { return session }
        }
        return nil
    }

    /// Waits until one of the sessions may be replaced or its end was requested, but no longer than `end`.
    private static func waitUntilReplaceable(_ sessions: [Session], until end: ContinuousClock.Instant) async {
        _ = try? await withDeadline(end - .now) { () async throws(CloudletError) in
            await withDiscardingTaskGroup { group in
                let any = AsyncEvent()
                for session in sessions {
                    group.addTask {
                        await session.waitUntilReplaceable()
                        any.set()
                    }
                }
                await any.wait()
                group.cancelAll()
            }
        }
    }

    /// The session with this id, if it exists and has not ended.
    func session(_ id: SessionID?) -> Session? {
        guard let id, let session = sessions[id], !session.isEnded else { return nil }
        return session
    }

    /// Notes that a client has finished a session, because the original's clients close it afterwards.
    func noteFinished(_ session: Session) {
        finished.note(
            session.id, of: session.status.client, perClient: limits.finishedPerClient, total: limits.sessions)
    }

    /// Closes a session that was finished.
    /// - Returns: `false` if it was not finished, or was closed before.
    func closeFinished(_ id: SessionID?) -> Bool { id.map { finished.close($0) } ?? false }

    /// The status of all live sessions, the oldest first.
    package func statuses() -> [SessionStatus] {
        removeStale()
        return sessions.values.map(\.status).filter { !$0.stage.isEnded }.sorted { $0.created < $1.created }
    }

    /// Returns the sessions that have ended since the last call, except those that were never used. At most as many are
    /// remembered as may live.
    package func takeEnded() -> [SessionStatus] {
        removeStale()
        defer { ended = [] }
        return ended
    }

    /// Requests the end of a session, in any stage.
    /// - Returns: `false` if there is no such session.
    package func stop(_ id: SessionID) -> Bool {
        guard let session = session(id) else { return false }
        session.requestEnd(.stopped)
        return true
    }

    /// Waits until a session has ended and its VM is gone, or the task is cancelled.
    package func waitForEnd(of id: SessionID) async { await sessions[id]?.wait(for: .ended) }

    /// Applies changed timeouts to sessions that wait for their clients.
    func timeoutsChanged() { for session in sessions.values { session.timeoutsChanged() } }

    private func removeStale() {
        let now = ContinuousClock.now
        swept = now
        finished.forget(olderThan: limits.unused, at: now)
        for (id, session) in sessions {
            if now - session.born >= limits.unused, session.endIfUnused() {
                sessions[id] = nil
                continue
            }
            let status = session.status
            if status.stage.isEnded {
                sessions[id] = nil
                // Sessions that were never used are not reported.
                if status.endReason != .unused, ended.count < limits.sessions { ended.append(status) }
            }
        }
        unused = unused.compactMapValues { list in
            let live = list.filter(\.isUnused)
            return live.isEmpty ? nil : live
        }
    }

    /// Drops a session that was never used. A connection that has just looked it up sees that it has ended. If its use
    /// has begun meanwhile, it continues.
    private func giveUp(_ session: Session) {
        guard session.endIfUnused() else { return }
        sessions[session.id] = nil
        let client = session.status.client
        unused[client]?.removeAll { $0 === session }
        if unused[client]?.isEmpty == true { unused[client] = nil }
    }
}
