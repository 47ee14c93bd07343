// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletWire
import Logging
import NIOCore

/// One connection of a client: reads its commands and answers them. `ServerConnection+Synthesis.swift` has the part for
/// a synthesis.
struct ServerConnection: Sendable {
    let table: SessionTable
    let supervisor: SessionSupervisor
    let backend: any SynthesisBackend
    let limits: SessionLimits
    let budgets: ClientBudgets
    let permit: ConnectionShares.Permit
    let localAddress: String
    /// Makes the system check whether the client is still reachable, at once or at the usual intervals.
    let probe: @Sendable (_ isUrgent: Bool) -> Void
    let logger: Logger

    /// The client's address.
    var client: String { permit.source }

    /// Serves the client until it closes the connection, or exceeds the time to do so.
    func serve(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ arrived: ArrivedBytes
    ) async {
        let state = ConnectionState(limits, outbound, arrived, budgets.unreadMetas.account(for: client), permit)
        await withTaskGroup { group in
            group.addTask { await watch(state) }
            group.addTask { await readCommands(inbound, state) }
            await group.next()
            group.cancelAll()
        }
        if let link = state.link { link.session.detach(link.number) }
    }

    /// Reads commands until the client closes the connection. After the server's last message, input is discarded.
    private func readCommands(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ state: ConnectionState) async {
        await withTaskGroup { group in
            let pacing = CommandPacing(of: client, limits, budgets.rates)
            await wait(pacing.takeConnection(), state)
            do {
                for try await buffer in inbound {
                    do {
                        let events = try state.receive([UInt8](buffer: buffer))
                        for (number, event) in events.enumerated() {
                            if let pause = pacing.take(event) { await wait(pause, state) }
                            guard !state.isOver, !Task.isCancelled else { break }
                            try await handle(event, isLast: number == events.count - 1, state, &group)
                        }
                    } catch {
                        await fail(error, state)
                    }
                }
                if !state.isOver, !state.mayEnd {
                    logLoss("the client closed the connection while \(state.name)", state)
                }
            } catch {
                logLoss("the connection was lost while \(state.name)", state)
            }
            // There is no client left to report to.
            group.cancelAll()
        }
    }

    /// Delays a client that sends many commands. Yields to other tasks even without a delay, because most commands are
    /// executed without any suspension.
    private func wait(_ pause: Duration, _ state: ConnectionState) async {
        guard pause > .zero else { return await Task.yield() }
        state.pause()
        defer { state.resume() }
        try? await Task.sleep(for: pause)
    }

    /// Ends the conversation when the client is too slow, and closes the connection when the client does not close it
    /// afterwards.
    private func watch(_ state: ConnectionState) async {
        while let delay = await state.nextDelay() {
            let complaint: String
            switch delay {
            case .close: return
            case .silent: complaint = "no bytes arrived for \(limits.idleTimeout.seconds) s while \(state.name)"
            case .message:
                complaint = "no complete message arrived within \(limits.idleTimeout.seconds) s while \(state.name)"
            case .bulk: complaint = "fewer than \(limits.minimumRate) bytes a second arrived while \(state.name)"
            }
            // A client that reconnects gets no failure; the connection is closed.
            if state.link?.reconnects == true { return logLoss(complaint, state) }
            await fail(CloudletError(.protocolViolation, complaint), state)
        }
    }

    // MARK: - Commands

    /// Executes a command. `isLast` says whether the input contained nothing after it.
    private func handle(
        _ event: ServerConversation.Event, isLast: Bool, _ state: ConnectionState, _ group: inout TaskGroup<Void>
    ) async throws {
        switch event {
        case .createSession:
            let session = try await table.create(client: client)
            logger.debug("session created", metadata: ["session": "\(session.id)", "client": "\(client)"])
            await state.end(with: .success(.createSession, session: session.id))
        case .resourceInfo:
            try await state.send(.success(.resourceInfo, payload: await backend.resources().payload))
        case .closeSession(let id):
            try await whileBusy(state) {
                if !(await table.closeFinished(id)) { try await end(id, .closed, state) }
            }
            try await state.answer(.success(.closeSession), isLast: isLast)
        case .finish(let id):
            try await whileBusy(state) { await table.noteFinished(try await end(id, .finished, state)) }
            try await state.answer(.success(.finish), isLast: isLast)
        case .overlayURL(let url, let id):
            let session = try await require(id)
            guard session.beginFetch() else { throw Self.inUse(session) }
            state.permit.isBusy = true
            group.addTask { await fetch(url, for: session, state) }
        case .meta(let announcement, let bytes):
            let work = try await begin(announcement, bytes, state)
            group.addTask { await follow(work, state) }
        case .blob(let piece):
            guard let link = state.link else { return }
            state.pause()
            defer { state.resume() }
            try await link.session.take(piece, from: link.number)
        case .request(let names):
            for name in names { try await state.send(.onDemand(name)) }
        case .allReceived: state.link?.session.finishTransfer()
        }
    }

    /// Ends a session, which may take long; meanwhile the client's idle timeout is suspended.
    private func whileBusy(_ state: ConnectionState, _ body: () async throws -> Void) async throws {
        state.pause()
        defer { state.resume() }
        state.permit.isBusy = true
        try await body()
    }

    /// Ends a session at its client's request.
    /// - Returns: the session.
    @discardableResult
    private func end(
        _ id: SessionID?, _ reason: EndReason, _ state: ConnectionState
    ) async throws(CloudletError) -> Session {
        // The connection that is attached to a session must not learn that the session is unknown when it has ended for
        // another reason, whichever task notices the end first.
        if let link = state.link, link.session.id == id, link.session.isEnded, !state.endIsExpected {
            throw link.session.endError
        }
        let session = try await require(id)
        state.expectEnd()
        session.requestEnd(reason)
        await session.wait(for: .ended)
        return session
    }

    func require(_ id: SessionID?) async throws(CloudletError) -> Session {
        guard let session = await table.session(id) else {
            throw CloudletError(.notFound, "Not Valid session \(id.map { $0.description } ?? "None")")
        }
        return session
    }

    static func inUse(_ session: Session) -> CloudletError {
        CloudletError(.protocolViolation, "Not Valid session \(session.id): it is in use already")
    }

    // MARK: - The end

    /// Sends the client the reason why the conversation is over, logs it, and ends the session. The session continues
    /// if only the connection is at fault, or if another connection is attached to the session by now.
    func fail(_ error: any Error, _ state: ConnectionState) async {
        let failure = CloudletError.wrapping(error, .protocolViolation, "the connection was lost")
        let sent = await state.end(with: .fail(reason: failure.publicDescription, code: failure.code.description))
        guard sent else { return }
        if error is CloudletError, let link = state.link { link.session.reject(link.number, failure) }
        let reason = failure.description.displayable(limit: 400)
        logger.info("connection ended", metadata: metadata(state).merging(["reason": "\(reason)"]) { $1 })
    }

    private func logLoss(_ reason: String, _ state: ConnectionState) {
        logger.info("connection lost", metadata: metadata(state).merging(["reason": "\(reason)"]) { $1 })
    }

    func metadata(_ state: ConnectionState) -> Logger.Metadata {
        ["client": "\(client)", "session": "\(state.link.map { $0.session.id.description } ?? "-")"]
    }
}
