import AsyncAlgorithms
import CloudletCore
import CloudletSession
import CloudletStore
import CloudletSystem
import Foundation
import Logging
import ServiceLifecycle

/// Keeps the registry's sessions true, and carries out wishes to stop them that other programs write there.
struct SessionJournal: Service {
    let registry: NodeRegistry
    let table: SessionTable
    let logger: Logger

    private static let interval = Duration.milliseconds(250)

    func run() async throws {
        var put: [SessionID: SessionRecord] = [:]
        let times = AsyncTimerSequence(interval: Self.interval, clock: .continuous)
        for await _ in times.cancelOnGracefulShutdown() { await step(&put) }
        // The listener has stopped before: every session has ended.
        await step(&put)
        _ = try? await poll(every: Self.interval, for: Self.farewell) { () async throws(CloudletError) in
            await registry.flush()
        }
    }

    /// How long the end of the last sessions is tried to be written.
    private static let farewell = Duration.seconds(5)

    private func step(_ put: inout [SessionID: SessionRecord]) async {
        let live = await table.statuses().filter { $0.stage != .created }
        let records = (live + (await table.takeEnded())).map(Self.record)
        let changed = records.filter { put[$0.id] != $0 }
        put = Dictionary(uniqueKeysWithValues: records.prefix(live.count).map { ($0.id, $0) })
        if !changed.isEmpty {
            registry.put(changed)
            await registry.flush()
        }
        guard !live.isEmpty else { return }
        for id in await registry.sessionsToStop() where await table.stop(id) {
            logger.notice("stopping a session as wished", metadata: ["session": "\(id)"])
        }
    }

    /// Seconds since 1970.
    static var now: Int { Int(Date().timeIntervalSince1970) }

    /// The session as the registry keeps it.
    static func record(_ status: SessionStatus) -> SessionRecord {
        var record = SessionRecord(
            id: status.id, stage: status.stage,
            client: status.client, created: Int(status.created.timeIntervalSince1970))
        record.app = status.appName
        record.base = status.baseHash?.hex
        record.vm = status.vm
        record.forwards = status.forwards
        record.receivedBytes = status.receivedBytes
        record.place = status.queuePosition
        if status.stage.isEnded {
            record.ended = now
            record.reason = status.endReason?.description
            record.failure = status.failure?.description
        }
        return record
    }
}
