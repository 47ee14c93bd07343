// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore
import Synchronization

/// The state that the tasks of one connection share: the conversation, the writer, and whether the last message was
/// sent.
final class ConnectionState: Sendable {
    private struct State {
        var conversation: ServerConversation
        var timing: ClientTiming
        var endIsExpected = false
        var wantsDetails = false
        var link: Link?
        /// Bytes that were read from the client.
        var taken = 0
        /// Bytes of a complete meta that waits to be parsed.
        var unread = 0
        /// The task that waits until the client may be too slow: its deadline, and the event that wakes it.
        var watcher: (until: ContinuousClock.Instant?, wake: AsyncEvent)?
    }

    /// The session to which a connection is attached.
    struct Link: Sendable {
        let session: Session
        /// The connection's number in the session.
        let number: Int
        /// Whether the client reconnects after a lost connection.
        let reconnects: Bool
    }

    private let state: Mutex<State>
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let arrived: ArrivedBytes
    private let budget: MetaBudget.Account
    private let limits: SessionLimits
    /// The connection's permit.
    let permit: ConnectionShares.Permit

    init(
        _ limits: SessionLimits, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ arrived: ArrivedBytes, _ budget: MetaBudget.Account, _ permit: ConnectionShares.Permit
    ) {
        state = Mutex(
            State(
                conversation: ServerConversation(limits: limits.conversation),
                timing: ClientTiming(limits.timing, at: .now)))
        self.limits = limits
        self.outbound = outbound
        self.arrived = arrived
        self.budget = budget
        self.permit = permit
    }

    /// The session to which the connection is attached.
    var link: Link? {
        get { state.withLock(\.link) }
        set { state.withLock { $0.link = newValue } }
    }

    /// Notes that the client of this connection has requested the end of its session.
    func expectEnd() { state.withLock { $0.endIsExpected = true } }

    /// Whether the client of this connection has requested the end of its session.
    var endIsExpected: Bool { state.withLock(\.endIsExpected) }

    /// Notes that the client understands our additions; other clients get exactly the original's messages.
    func wantDetails() { state.withLock { $0.wantsDetails = true } }

    /// Whether the server has sent its last message.
    var isOver: Bool { state.withLock(\.timing.isClosed) }

    /// Whether the client may close the connection now.
    var mayEnd: Bool { state.withLock(\.conversation.mayEnd) }

    /// The name of the conversation's state.
    var name: String { state.withLock(\.conversation.stateName) }

    // MARK: - Time

    /// Changes the state that the time limits depend on, and wakes the watching task if its deadline became earlier.
    private func update<Result: Sendable, Failure>(
        _ change: (inout State, ContinuousClock.Instant) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let now = ContinuousClock.now
        var wake: AsyncEvent?
        defer { wake?.set() }
        return try state.withLock { (state) throws(Failure) in
            defer {
                state.timing.expect(state.conversation.expectation, at: now)
                if let watcher = state.watcher, let due = state.timing.due, watcher.until.map({ due < $0 }) ?? true {
                    state.watcher = nil
                    wake = watcher.wake
                }
            }
            return try change(&state, now)
        }
    }

    /// Notes that the client can't send because the server is still processing its earlier bytes.
    func pause() { update { state, now in state.timing.pause(at: now) } }

    /// Notes that the client can send again.
    func resume() { update { state, now in state.timing.resume(at: now) } }

    /// Waits until the client may be too slow, or the task is cancelled.
    /// - Returns: how the client is too slow, if it is.
    func nextDelay() async -> ClientTiming.Delay? {
        while !Task.isCancelled {
            let (due, wake) = state.withLock { state in
                let watcher = (until: state.timing.due, wake: AsyncEvent())
                state.watcher = watcher
                return watcher
            }
            await wake.wait(until: due)
            if let delay = update({ state, now in state.timing.delay(at: now) }) { return delay }
        }
        return nil
    }

    // MARK: - Messages

    /// Takes bytes from the client.
    func receive(_ bytes: [UInt8]) throws(CloudletError) -> [ServerConversation.Event] {
        do {
            let (events, fits) = try update { (state, now) throws(WireError) in
                state.taken += bytes.count
                guard !state.timing.isClosed else {
                    state.timing.received(bytes.count, isBoundary: false, at: now)
                    return ([ServerConversation.Event](), true)
                }
                let events = try state.conversation.receive(bytes[...])
                let isBoundary = !events.isEmpty || state.conversation.isAtBoundary
                state.timing.received(bytes.count, isBoundary: isBoundary, at: now)
                for case .meta(_, let bytes) in events { state.unread += bytes.count }
                return (events, budget.hold(state.unread + state.conversation.bufferedBytes))
            }
            guard fits else {
                throw CloudletError(
                    .busy, "too many overlay-metas arrive at the same time", advice: "try again in a moment")
            }
            return events
        } catch let error as WireError {
            throw CloudletError(.protocolViolation, error.description)
        } catch {
            throw .wrapping(error, .defect, "a message could not be read")
        }
    }

    /// Notes that the meta was parsed.
    func metaWasRead() {
        state.withLock { state in
            state.unread = 0
            _ = budget.hold(state.conversation.bufferedBytes)
        }
    }

    /// Accepts the meta and asks for the first blobs.
    func beginTransfer(_ blobs: [BlobRequests.Blob], from point: TransferState.ResumePoint) async throws {
        let messages = update { state, _ in
            state.conversation.beginTransfer(blobs, present: point.received, first: point.first)
        }
        for message in messages { try await send(message) }
    }

    /// Accepts an overlay that was fetched.
    func beginFetched() async throws { try await send(update { state, _ in state.conversation.beginFetched() }) }

    /// Tells the client that its VM runs.
    func markRunning(_ message: ServerMessage) async throws {
        try await send(update { state, _ in state.conversation.markRunning(message) })
    }

    /// Writes a message, length and body in one piece.
    func send(_ message: ServerMessage) async throws {
        try await outbound.write(ByteBuffer(bytes: Frame.encode(message.value)))
    }

    /// Confirms a command. This is the last message unless more bytes have arrived meanwhile, because every command
    /// gets an answer, even a repeated FINISH.
    func answer(_ message: ServerMessage, isLast: Bool) async throws {
        let isAlone = isLast && state.withLock { $0.conversation.isAtBoundary && $0.taken == arrived.count }
        if isAlone { await end(with: message) } else { try await send(message) }
    }

    /// Sends the last message, once: the client reads it and then the end of the stream.
    /// - Returns: whether this call sent it.
    @discardableResult
    func end(with message: ServerMessage) async -> Bool {
        let (isFirst, wantsDetails) = update { state, now in
            guard !state.timing.isClosed else { return (false, state.wantsDetails) }
            state.timing.close(at: now)
            return (true, state.wantsDetails)
        }
        guard isFirst else { return false }
        permit.isBusy = false
        var last = message
        if case .fail(let reason, _) = message, !wantsDetails { last = .fail(reason: reason) }
        // The deadline keeps a client that reads nothing from blocking the server.
        _ = try? await withDeadline(limits.closeTimeout) { [last] () async throws(CloudletError) in
            try? await self.send(last)
        }
        outbound.finish()
        return true
    }
}
