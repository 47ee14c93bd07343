// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire

/// Decides when a client is too slow. A pure value: the time comes as a parameter.
///
/// Time in which the client can't send because the server is still processing its earlier bytes does not count.
struct ClientTiming: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The limits.
    struct Limits: Sendable, Hashable {
        /// How long the client may send nothing when it is its turn, how long one message may take, and the length of
        /// the windows over which the rate of bulk data is measured.
        var idleTimeout: Duration
        /// The minimum rate of bulk data in bytes a second.
        var minimumRate: Int
        /// How long the client may take to close its connection after the server's last message.
        var closeTimeout: Duration
    }

    /// How the client is too slow.
    enum Delay: Sendable, Hashable {
        /// It sent nothing.
        case silent
        /// It did not complete a message.
        case message
        /// It sent too few bytes of bulk data.
        case bulk
        /// It did not close the connection after the server's last message.
        case close
    }

    private let limits: Limits
    /// What the client is expected to send.
    private var expectation = ServerConversation.Expectation.message
    /// When bytes last arrived, or when the server finished.
    private var lastActivity: Instant
    /// When the current message began.
    private var messageBegan: Instant
    /// Bytes received since `windowBegan`, and how long since then the client could not send.
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

    /// Notes that bytes arrived; `isBoundary` says whether they complete a message.
    mutating func received(_ count: Int, isBoundary: Bool, at now: Instant) {
        lastActivity = now
        windowBytes += count
        if isBoundary { messageBegan = now }
    }

    /// Notes that the client is expected to send something else from now on. If it becomes the client's turn, or bulk
    /// data begins, the time limits start again.
    mutating func expect(_ expectation: ServerConversation.Expectation, at now: Instant) {
        guard expectation != self.expectation else { return }
        if self.expectation == .nothing || expectation == .bulk {
            (lastActivity, messageBegan) = (now, now)
            beginWindow(at: now)
        }
        self.expectation = expectation
    }

    private mutating func beginWindow(at now: Instant) { (windowBegan, windowBytes, windowPaused) = (now, 0, .zero) }

    /// Notes that the client can't send from now on.
    mutating func pause(at now: Instant) { pausedSince = now }

    /// Notes that the client can send again.
    mutating func resume(at now: Instant) {
        if let pausedSince { windowPaused += now - max(pausedSince, windowBegan) }
        pausedSince = nil
        lastActivity = now
    }

    /// Notes that the server has sent its last message.
    mutating func close(at now: Instant) { (closedSince, lastActivity) = (now, now) }

    /// Whether the server has sent its last message.
    var isClosed: Bool { closedSince != nil }

    /// The next instant at which the client may be too slow; `nil` if it can't be.
    var due: Instant? {
        if let closedSince {
            // A client that is still sending gets more time: many clients read the answer only after they have sent
            // everything.
            return min(lastActivity + limits.closeTimeout, closedSince + limits.idleTimeout)
        }
        guard pausedSince == nil else { return nil }
        switch expectation {
        case .nothing: return nil
        case .message: return min(lastActivity, messageBegan) + limits.idleTimeout
        case .bulk: return min(lastActivity, windowBegan + windowPaused) + limits.idleTimeout
        }
    }

    /// How the client is too slow, if it is. Starts the next window of bulk data when one ends.
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
