import CloudletCore
import CloudletSystem
import CloudletWire
import NIOCore
import Synchronization

/// What the tasks of one connection share: the conversation, the way to the client, and whether all is said.
final class ConnectionState: Sendable {
    private struct State {
        var conversation: ServerConversation
        /// When something came last, or our side ended.
        var lastActivity = ContinuousClock().now
        /// When the present step began: a message, a meta, a transfer.
        var stepBegan = ContinuousClock().now
        var pace = Pace()
        /// When our side ended.
        var overSince: ContinuousClock.Instant?
        var endIsExpected = false
        var wantsDetails = false
        var link: Link?
        /// Bytes that were taken from the client.
        var taken = 0
        /// Bytes of a meta that is complete and waits to be read.
        var unread = 0
    }

    /// The session a connection speaks for.
    struct Link: Sendable {
        let session: Session
        /// The connection's number in the session.
        let owner: Int
        /// Whether the client comes back after a lost connection.
        let resumes: Bool
    }

    private let state: Mutex<State>
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let arrived: ArrivedBytes
    private let budget: MetaBudget.Account
    private let farewell: Duration
    /// The connection's place among all.
    let place: ConnectionShares.Place

    init(
        _ limits: SessionServer.Limits, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ arrived: ArrivedBytes, _ budget: MetaBudget.Account, _ place: ConnectionShares.Place
    ) {
        state = Mutex(State(conversation: ServerConversation(limits: limits.conversation)))
        farewell = limits.farewell
        self.outbound = outbound
        self.arrived = arrived
        self.budget = budget
        self.place = place
    }

    /// The session the connection speaks for.
    var link: Link? {
        get { state.withLock(\.link) }
        set { state.withLock { $0.link = newValue } }
    }

    /// Notes that the client of this connection has asked for the end itself.
    func expectEnd() { state.withLock { $0.endIsExpected = true } }

    /// Whether the client of this connection has asked for the end itself.
    var endIsExpected: Bool { state.withLock(\.endIsExpected) }

    /// Notes that the client understands our additions; others get the original's bytes only.
    func wantDetails() { state.withLock { $0.wantsDetails = true } }

    /// Whether our side of the conversation has ended.
    var isOver: Bool { state.withLock { $0.overSince != nil } }

    /// Whether the client had enough time to end the connection after our last word: as long as it goes on to send what
    /// it had begun it has more, as many clients read only then.
    func isOverdue(_ limits: SessionServer.Limits) -> Bool {
        let now = ContinuousClock().now
        return state.withLock { state in
            guard let overSince = state.overSince else { return false }
            return now - state.lastActivity > limits.farewell || now - overSince > limits.clientSilence
        }
    }

    /// Whether the client may go away now.
    var mayEnd: Bool { state.withLock(\.conversation.mayEnd) }

    /// What the conversation is doing.
    var name: String { state.withLock(\.conversation.stateName) }

    /// What the client is too slow with, if anything.
    func complaint(_ limits: SessionServer.Limits) -> String? {
        let now = ContinuousClock().now
        return state.withLock { state in
            guard state.conversation.waitsForClient, !state.pace.isPaused else { return nil }
            let name = state.conversation.stateName
            if now - state.lastActivity > limits.clientSilence {
                return "nothing came for \(limits.clientSilence.seconds) s while \(name)"
            }
            if !state.conversation.isInBulk, now - state.stepBegan > limits.clientSilence {
                return "no whole message came within \(limits.clientSilence.seconds) s while \(name)"
            }
            guard state.conversation.isInBulk, state.pace.isTooSlow(now, limits) else { return nil }
            return "fewer than \(limits.minimumRate) bytes a second came while \(name)"
        }
    }

    /// Notes that the client can't send because we are busy with what it sent.
    func pause() { state.withLock { $0.pace.pause() } }

    /// Notes that the client can send again.
    func goOn() {
        state.withLock { state in
            state.pace.goOn()
            state.lastActivity = ContinuousClock().now
        }
    }

    /// Takes bytes from the client.
    func receive(_ bytes: [UInt8]) throws(CloudletError) -> [ServerConversation.Event] {
        let events: [ServerConversation.Event]
        var fits = true
        do {
            events = try state.withLock { (state) throws(WireError) in
                state.lastActivity = ContinuousClock().now
                state.pace.add(bytes.count)
                state.taken += bytes.count
                guard state.overSince == nil else { return [] }
                let events = try state.conversation.receive(bytes[...])
                if !events.isEmpty || state.conversation.isAtBoundary { state.stepBegan = state.lastActivity }
                for case .meta(_, let bytes) in events { state.unread += bytes.count }
                fits = budget.hold(state.unread + state.conversation.bufferedBytes)
                return events
            }
        } catch {
            throw CloudletError(.protocolViolation, error.description)
        }
        guard fits else {
            throw CloudletError(.busy, "too many metas come at the same time", advice: "try again in a moment")
        }
        return events
    }

    /// Notes that the meta that came was read.
    func metaWasRead() {
        state.withLock { state in
            state.unread = 0
            _ = budget.hold(state.conversation.bufferedBytes)
        }
    }

    /// Accepts the meta and asks for the first blobs.
    func beginTransfer(_ blobs: [BlobRequests.Blob], present: Set<Int>, first: Int?) async throws {
        let messages = state.withLock { state in
            state.pace = Pace()
            state.lastActivity = ContinuousClock().now
            state.stepBegan = state.lastActivity
            return state.conversation.beginTransfer(blobs, present: present, first: first)
        }
        for message in messages { try await send(message) }
    }

    /// Accepts an overlay that was fetched.
    func beginFetched() async throws { try await send(state.withLock { $0.conversation.beginFetched() }) }

    /// Tells the client that its VM runs.
    func markRunning(_ message: ServerMessage) async throws {
        try await send(state.withLock { $0.conversation.markRunning(message) })
    }

    /// Writes a message, length and body in one piece.
    func send(_ message: ServerMessage) async throws {
        try await outbound.write(ByteBuffer(bytes: Frame.encode(message.value)))
    }

    /// Says that a command was carried out. It is the last word unless more has come meanwhile: each command is answered,
    /// also of a client that says twice that it is done.
    func answer(_ message: ServerMessage, isLast: Bool) async throws {
        let isAlone = isLast && state.withLock { $0.conversation.isAtBoundary && $0.taken == arrived.count }
        if isAlone { await end(with: message) } else { try await send(message) }
    }

    /// Says the last word, once: the client sees it and then the end of the stream.
    /// - Returns: whether this was the call that said it.
    @discardableResult
    func end(with message: ServerMessage) async -> Bool {
        let (isFirst, wantsDetails) = state.withLock { state in
            guard state.overSince == nil else { return (false, state.wantsDetails) }
            let now = ContinuousClock().now
            (state.overSince, state.lastActivity) = (now, now)
            return (true, state.wantsDetails)
        }
        guard isFirst else { return false }
        place.isBusy = false
        var last = message
        if case .fail(let reason, _) = message, !wantsDetails { last = .fail(reason: reason) }
        // A client that reads nothing keeps nobody waiting.
        _ = try? await withDeadline(farewell) { [last] () async throws(CloudletError) in try? await self.send(last) }
        outbound.finish()
        return true
    }
}

/// How fast a client sends, over windows of the time in which it could send.
private struct Pace {
    private var began = ContinuousClock().now
    private var bytes = 0
    private var pausedSince: ContinuousClock.Instant?
    private var paused = Duration.zero

    var isPaused: Bool { pausedSince != nil }

    mutating func add(_ count: Int) { bytes += count }

    mutating func pause() { pausedSince = ContinuousClock().now }

    mutating func goOn() {
        if let pausedSince { paused += ContinuousClock().now - pausedSince }
        pausedSince = nil
    }

    /// Whether too little came in the window that ends now, if one does.
    mutating func isTooSlow(_ now: ContinuousClock.Instant, _ limits: SessionServer.Limits) -> Bool {
        let window = now - began - paused
        guard window >= limits.clientSilence else { return false }
        defer { self = Pace() }
        return Double(bytes) < Double(limits.minimumRate) * window.seconds
    }
}
