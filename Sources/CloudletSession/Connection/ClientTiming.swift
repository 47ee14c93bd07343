import CloudletCore
import CloudletWire

/// How long a client lets the server wait, as a pure value: the time comes as a parameter.
///
/// Time in which the client can't send, because the server is busy with what it sent, does not count.
struct ClientTiming: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The bounds.
    struct Limits: Sendable, Hashable {
        /// How long it may be silent when it is its turn, how long one message may take, and the length of the windows over
        /// which the rate of bulk data is measured.
        var idleTimeout: Duration
        /// Fewest bytes a second of bulk data.
        var minimumRate: Int
        /// How long it may take to end its connection after the server's last word.
        var closeTimeout: Duration
    }

    /// What a client is too slow with.
    enum Delay: Sendable, Hashable {
        /// It sent nothing.
        case silent
        /// It did not complete a message.
        case message
        /// It sent too few bytes of bulk data.
        case bulk
        /// It did not end the connection after the server's last word.
        case close
    }

    private let limits: Limits
    /// What the client is to send.
    private var expectation = ServerConversation.Expectation.message
    /// When something came last, or the server's side ended.
    private var lastActivity: Instant
    /// When the present message began.
    private var messageBegan: Instant
    /// Bytes that came since `windowBegan`, and the time since then in which the client could not send.
    private var windowBytes = 0
    private var windowBegan: Instant
    private var windowPaused = Duration.zero
    private var pausedSince: Instant?
    private var closedSince: Instant?

    /// A client that has just connected.
    init(_ limits: Limits, at now: Instant) {
        self.limits = limits
        (lastActivity, messageBegan, windowBegan) = (now, now, now)
    }

    /// Bytes came; a message has ended with them if `isBoundary`.
    mutating func received(_ count: Int, isBoundary: Bool, at now: Instant) {
        lastActivity = now
        windowBytes += count
        if isBoundary { messageBegan = now }
    }

    /// Something else is to come from now on. Where it is the client's turn again, or bulk data begins, all its time is
    /// before it.
    mutating func expect(_ expectation: ServerConversation.Expectation, at now: Instant) {
        guard expectation != self.expectation else { return }
        if self.expectation == .nothing || expectation == .bulk {
            (lastActivity, messageBegan) = (now, now)
            beginWindow(at: now)
        }
        self.expectation = expectation
    }

    private mutating func beginWindow(at now: Instant) { (windowBegan, windowBytes, windowPaused) = (now, 0, .zero) }

    /// The client can't send from now on.
    mutating func pause(at now: Instant) { pausedSince = now }

    /// The client can send again.
    mutating func resume(at now: Instant) {
        if let pausedSince { windowPaused += now - max(pausedSince, windowBegan) }
        pausedSince = nil
        lastActivity = now
    }

    /// The server has said its last word.
    mutating func close(at now: Instant) { (closedSince, lastActivity) = (now, now) }

    /// Whether the server has said its last word.
    var isClosed: Bool { closedSince != nil }

    /// The next instant at which the client may be too slow; `nil` while it can't be.
    var due: Instant? {
        if let closedSince {
            // As long as it sends what it had begun it has more time: many clients read only then.
            return min(lastActivity + limits.closeTimeout, closedSince + limits.idleTimeout)
        }
        guard pausedSince == nil else { return nil }
        switch expectation {
        case .nothing: return nil
        case .message: return min(lastActivity, messageBegan) + limits.idleTimeout
        case .bulk: return min(lastActivity, windowBegan + windowPaused) + limits.idleTimeout
        }
    }

    /// What the client is too slow with, if anything. Begins another window of bulk data where one ends.
    mutating func delay(at now: Instant) -> Delay? {
        guard let due, due <= now else { return nil }
        guard !isClosed else { return .close }
        if lastActivity + limits.idleTimeout <= now { return .silent }
        guard expectation == .bulk else { return .message }
        let window = now - windowBegan - windowPaused
        let isSlow = Double(windowBytes) < Double(limits.minimumRate) * window.seconds
        beginWindow(at: now)
        return isSlow ? .bulk : nil
    }
}
