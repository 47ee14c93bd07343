// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletStore

/// Requests the list of sessions.
package struct ListSessions: ControlRequest {
    package static let name = "list-sessions"
    package typealias Reply = SessionList

    /// Creates the request.
    package init() {}
}

/// Requests the list of sessions now and after every change. The replies end when the node ends.
package struct WatchSessions: ControlRequest {
    package static let name = "watch-sessions"
    package typealias Reply = SessionList

    /// Creates the request.
    package init() {}
}

/// The sessions of a node.
package struct SessionList: Codable, Sendable, Hashable {
    /// The live sessions, and those that have ended but are not in the registry yet; the oldest first.
    package let sessions: [SessionRecord]

    /// Creates a list of sessions.
    package init(_ sessions: [SessionRecord]) { self.sessions = sessions }
}

/// Requests the end of a session. The first reply says that it is ending, the second one that it has ended.
package struct StopSession: ControlRequest {
    package static let name = "stop-session"

    /// A step in ending the session.
    package enum Reply: String, Codable, Sendable {
        /// The session has been asked to end.
        case ending
        /// The session and its VM have ended.
        case ended
    }

    /// The session.
    package let session: SessionID

    /// Creates the request to end a session.
    package init(_ session: SessionID) { self.session = session }
}
