// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletStore

/// The output of `cloudlet list-session`.
struct SessionListing {
    private let sessions: [SessionRecord]
    private let withEnded: Bool
    private let now: Int

    /// Creates a list of sessions.
    /// - Parameters:
    ///   - sessions: the sessions.
    ///   - withEnded: whether `sessions` includes those that have ended.
    ///   - now: the current time in seconds since 1970.
    init(_ sessions: [SessionRecord], withEnded: Bool, now: Int) {
        (self.sessions, self.withEnded, self.now) = (sessions, withEnded, now)
    }

    /// One session in JSON.
    struct Entry: Encodable {
        let id: String
        let stage: String
        let client: String
        let app: String?
        let base: String?
        let forwards: [String]
        let receivedBytes: Int
        let place: Int?
        let age: Int
        let reason: String?
        let failure: String?
        let bootReason: String?

        enum CodingKeys: String, CodingKey {
            case id, stage, client, app, base, forwards, place, age, reason, failure
            case receivedBytes = "received_bytes"
            case bootReason = "boot_reason"
        }
    }

    /// The JSON form.
    var entries: [Entry] {
        sessions.map {
            Entry(
                id: $0.id.description, stage: $0.stage.rawValue, client: $0.client, app: $0.app, base: $0.base,
                forwards: $0.forwards, receivedBytes: $0.receivedBytes, place: $0.place,
                age: now &- $0.created, reason: $0.reason, failure: $0.failure,
                bootReason: $0.bootReason)
        }
    }

    /// The table for people.
    var table: TextTable {
        var table = TextTable("ID", "STAGE", "CLIENT", "APP", "BASE", "AGE", withEnded ? "PORTS OR REASON" : "PORTS")
        for session in sessions {
            let boot = session.bootReason == nil ? "" : " (booted)"
            let stage = session.stage.rawValue + (session.place.map { " (position \($0))" } ?? boot)
            table.add(
                session.id.description, stage, session.client, session.app?.displayable(limit: 30) ?? "-",
                session.base.map { String($0.prefix(12)) } ?? "-",
                Duration.seconds((session.ended ?? now) &- session.created).shown,
                session.reason?.displayable(limit: 160) ?? session.forwards.joined(separator: ", "))
        }
        return table
    }
}
