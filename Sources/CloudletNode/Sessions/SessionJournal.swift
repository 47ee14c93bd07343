import CloudletCore
import CloudletSession
import CloudletStore
import Foundation
import Logging
import ServiceLifecycle

/// Keeps the registry's sessions true, and carries out wishes to stop them that other programs write there.
struct SessionJournal: Service {
    let registry: Registry
    let table: SessionTable
    let logger: Logger

    private static let interval = Duration.milliseconds(250)

    /// Marks sessions of a node that died, except those that are gone on with.
    static func reconcile(
        _ registry: Registry, keeping kept: [AdoptedSession], _ logger: Logger
    ) throws(CloudletError) {
        let left = try registry.endSessions(
            except: Set(kept.map(\.status.id)), at: Int(Date().timeIntervalSince1970), reason: "the node died")
        for session in left {
            logger.notice("a session had not ended when the node died", metadata: ["session": "\(session.id)"])
        }
    }

    func run() async throws {
        var written: [SessionID: SessionRecord] = [:]
        // Sessions whose end could not be written yet.
        var ended: [SessionStatus] = []
        var complained = false
        func keep() async {
            do {
                try await step(&written, &ended)
                complained = false
            } catch {
                if !complained { logger.error("sessions can't be noted", metadata: ["reason": "\(error)"]) }
                complained = true
            }
        }
        for await _ in Ticks(every: Self.interval).cancelOnGracefulShutdown() { await keep() }
        // The listener has stopped before: every session has ended.
        await keep()
    }

    private static let longestBacklog = 10_000

    private func step(
        _ written: inout [SessionID: SessionRecord], _ ended: inout [SessionStatus]
    ) async throws(CloudletError) {
        let live = await table.statuses().filter { $0.stage != .created }
        ended = (ended + (await table.takeEnded())).suffix(Self.longestBacklog)
        let records = (live + ended).map(Self.record)
        let changed = records.filter { written[$0.id] != $0 }
        if !changed.isEmpty { try registry.write(changed) }
        ended = []
        written = Dictionary(uniqueKeysWithValues: records.prefix(live.count).map { ($0.id, $0) })
        guard !live.isEmpty else { return }
        for id in try registry.sessionsToStop() where await table.stop(id, reason: "it was stopped on the node") {
            logger.notice("stopping a session as wished", metadata: ["session": "\(id)"])
        }
    }

    /// The session as the registry keeps it.
    static func record(_ status: SessionStatus) -> SessionRecord {
        var record = SessionRecord(
            id: status.id, stage: status.stage.rawValue,
            client: status.client, created: Int(status.created.timeIntervalSince1970))
        record.app = status.appName
        record.base = status.baseHash?.hex
        record.vm = status.vm
        record.forwards = status.forwards
        record.receivedBytes = status.receivedBytes
        record.place = status.place
        if status.stage.isEnded {
            record.ended = Int(Date().timeIntervalSince1970)
            record.reason = status.endReason
            record.failure = status.failure?.description
        }
        return record
    }
}
