// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletControl
import CloudletCore
import CloudletSession
import CloudletSystem
import Logging

/// Answers requests to list and stop the node's sessions at the control socket.
struct SessionControl: Sendable {
    let journal: SessionJournal
    let table: SessionTable
    let unended: UnendedVMs
    let logger: Logger

    /// The shortest time between two lists for a client that watches the sessions.
    var pace = Duration.milliseconds(500)
    /// The largest number of clients that watch the sessions. The other connections are left to requests that end.
    static let maximumWatchers = ControlServer.connections * 3 / 4
    private let watchers = AsyncSemaphore(Self.maximumWatchers)

    /// Adds the handlers of requests about sessions.
    func add(to routes: inout ControlRoutes) {
        routes.on(ListSessions.self) { (_, reply) async throws(CloudletError) in
            try await reply.send(SessionList(await journal.sessions()))
        }
        routes.on(WatchSessions.self) { (_, reply) async throws(CloudletError) in try await watch(reply) }
        routes.on(StopSession.self) { (request, reply) async throws(CloudletError) in
            try await stop(request.session, reply)
        }
    }

    private func watch(_ reply: ControlReplySender<SessionList>) async throws(CloudletError) {
        guard watchers.tryAcquire() else {
            throw CloudletError(
                .busy, "\(Self.maximumWatchers) programs watch the sessions of this node already",
                advice: "end one of them, for example a 'cloudlet list-session --watch'")
        }
        defer { watchers.release() }
        var last: SessionList?
        for await _ in table.changes.values() {
            let list = SessionList(await journal.sessions())
            if list != last { try await reply.send(list) }
            last = list
            try? await Task.sleep(for: pace)
        }
    }

    private func stop(
        _ session: SessionID, _ reply: ControlReplySender<StopSession.Reply>
    ) async throws(CloudletError) {
        guard await table.stop(session) else {
            throw CloudletError(.notFound, "there is no live session \(session)", advice: "see 'cloudlet list-session'")
        }
        logger.notice("a program on this machine stops a session", metadata: ["session": "\(session)"])
        try await reply.send(.ending)
        await table.waitForEnd(of: session)
        if let failure = unended.failure(of: session) {
            throw CloudletError(
                .unavailable, "session \(session) has ended, but its VM can't be ended now; the node tries again",
                cause: failure)
        }
        try await reply.send(.ended)
    }
}
