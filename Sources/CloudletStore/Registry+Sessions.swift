// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import GRDB

extension Registry {
    static func addSessions(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("sessions") { database in
            try database.create(table: SessionRow.databaseTableName) { table in
                table.primaryKey("id", .text)
                table.column("stage", .text).notNull().indexed()
                table.column("client", .text).notNull()
                table.column("app", .text)
                table.column("base", .text)
                table.column("vm", .text)
                table.column("forwards", .text).notNull()
                table.column("received_bytes", .integer).notNull()
                table.column("place", .integer)
                table.column("created", .integer).notNull().indexed()
                table.column("ended", .integer)
                table.column("reason", .text)
                table.column("failure", .text)
                table.column("stop_wanted", .boolean).notNull().defaults(to: false)
            }
        }
    }

    /// Removes the column by which sessions were stopped in earlier versions. No program reads it any more, because the
    /// node has a control socket.
    static func removeStopMarks(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("no stop marks of sessions") { database in
            try database.alter(table: SessionRow.databaseTableName) { $0.drop(column: "stop_wanted") }
        }
    }

    /// Adds the column for sessions whose VMs were booted instead of being resumed.
    static func addBoots(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("boots of sessions") { database in
            try database.alter(table: SessionRow.databaseTableName) { $0.add(column: "boot_reason", .text) }
        }
    }

    private static let live = Column("stage") != SynthesisStage.ended.rawValue

    static var liveSessions: QueryInterfaceRequest<SessionRow> { SessionRow.filter(live) }

    /// The sessions, the oldest first; with `all`, including those that have ended.
    package func sessions(all: Bool = false) throws(CloudletError) -> [SessionRecord] {
        let rows = try read { database in
            let request = SessionRow.order(Column("created"), Column("id"))
            return try Row.fetchAll(database, all ? request : request.filter(Self.live)).map {
                try? SessionRow(row: $0)
            }
        }
        // A damaged row must not hide the others.
        return rows.compactMap { $0?.record }
    }

    /// The session with this number, whether it is live or has ended.
    package func session(_ id: SessionID) throws(CloudletError) -> SessionRecord? {
        try read { try Row.fetchOne($0, SessionRow.filter(key: id.description)).flatMap { try? SessionRow(row: $0) } }?
            .record
    }

    /// Writes the status of sessions in one transaction. Removes ended sessions beyond the newest `kept`.
    package func write(_ records: [SessionRecord], keepingEnded kept: Int = 1000) throws(CloudletError) {
        try write { database in
            for record in records { try SessionRow(record).upsert(database) }
            guard records.contains(where: { $0.stage.isEnded }) else { return }
            let ended = SynthesisStage.ended.rawValue
            try database.execute(
                sql: """
                    DELETE FROM session WHERE stage = ? AND id NOT IN
                    (SELECT id FROM session WHERE stage = ? ORDER BY ended DESC LIMIT ?)
                    """, arguments: [ended, ended, kept])
        }
    }

    /// Marks live sessions as ended, because their node no longer runs.
    /// - Parameters:
    ///   - kept: sessions that continue.
    ///   - time: the current time in seconds since 1970.
    ///   - reason: why they ended.
    /// - Returns: the sessions that were marked.
    /// - Throws: `CloudletError` when the registry can't be changed.
    package func endSessions(
        except kept: Set<SessionID>, at time: Int, reason: String
    ) throws(CloudletError) -> [SessionRecord] {
        let left = try sessions().filter { !kept.contains($0.id) }
        let ended = left.map { session in
            var session = session
            session.stage = .ended
            session.ended = time
            session.reason = reason
            session.place = nil
            return session
        }
        if !ended.isEmpty { try write(ended) }
        try forgetDamaged()
        return left
    }

    /// Removes rows that can't be read as sessions, because no node would ever mark them as ended.
    private func forgetDamaged() throws(CloudletError) {
        try write { database in
            for row in try Row.fetchAll(database, SessionRow.all()) where (try? SessionRow(row: row))?.record == nil {
                let id: DatabaseValue = row["id"]
                try database.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [id])
            }
        }
    }
}
