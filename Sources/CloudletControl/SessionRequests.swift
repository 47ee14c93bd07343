package import CloudletCore
package import CloudletStore

/// Asks what the sessions are doing.
package struct ListSessions: ControlRequest {
    package static let name = "list-sessions"
    package typealias Reply = SessionList

    /// Creates the request.
    package init() {}
}

/// Asks what the sessions are doing, now and after every change; the replies end with the node.
package struct WatchSessions: ControlRequest {
    package static let name = "watch-sessions"
    package typealias Reply = SessionList

    /// Creates the request.
    package init() {}
}

/// The sessions of a node.
package struct SessionList: Codable, Sendable, Hashable {
    /// Those that live, and those that have ended but are not in the registry yet; the oldest first.
    package let sessions: [SessionRecord]

    /// A list of these.
    package init(_ sessions: [SessionRecord]) { self.sessions = sessions }
}

/// Asks for the end of a session. The first reply says that it is being ended, the second one that it has ended.
package struct StopSession: ControlRequest {
    package static let name = "stop-session"

    /// A step of the end.
    package enum Reply: String, Codable, Sendable {
        /// The session has been asked to end.
        case ending
        /// The session has ended, and its VM with it.
        case ended
    }

    /// The session.
    package let session: SessionID

    /// Asks for the end of this session.
    package init(_ session: SessionID) { self.session = session }
}
