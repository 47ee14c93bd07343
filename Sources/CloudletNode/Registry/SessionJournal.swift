// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletStore
import CloudletSystem
import Foundation
import ServiceLifecycle
import Synchronization

/// Records the node's sessions in the registry, and lists them for other programs.
final class SessionJournal: Service {
    private let registry: NodeRegistry
    private let table: SessionTable
    /// Lets only one task at a time read the sessions, so that an older state is never recorded after a newer one.
    private let turn = AsyncSemaphore(1)
    private let collected = Mutex<[SessionID: SessionRecord]>([:])

    /// The shortest time between two transactions.
    private static let pace = Duration.milliseconds(100)
    /// How long the node tries to write the end of the last sessions before it stops.
    private static let closeTimeout = Duration.seconds(5)

    init(registry: NodeRegistry, table: SessionTable) {
        (self.registry, self.table) = (registry, table)
    }

    func run() async throws {
        for await _ in table.changes.values().cancelOnGracefulShutdown() {
            await collect()
            if !registry.unwritten.isEmpty { await registry.flush() }
            try? await Task.sleep(for: Self.pace)
        }
        // The listener has already stopped, so every session has ended.
        await collect()
        await registry.flush(within: Self.closeTimeout)
    }

    /// The live sessions, and those that have ended but are not in the registry yet; the oldest first.
    func sessions() async -> [SessionRecord] {
        let live = await collect()
        let ids = Set(live.map(\.id))
        let ended = registry.unwritten.filter { $0.stage.isEnded && !ids.contains($0.id) }
        return (ended + live).sorted { ($0.created, $0.id.value) < ($1.created, $1.id.value) }
    }

    /// Passes the changed sessions to the registry.
    /// - Returns: the live sessions; empty if the task is cancelled.
    @discardableResult
    private func collect() async -> [SessionRecord] {
        guard (try? await turn.acquire()) != nil else { return [] }
        defer { turn.release() }
        let live = await table.statuses().filter { $0.stage != .created }.map(Self.record)
        let ended = await table.takeEnded().map(Self.record)
        let changed = collected.withLock { collected in
            defer { collected = Dictionary(uniqueKeysWithValues: live.map { ($0.id, $0) }) }
            return (live + ended).filter { record in
                var former = collected[record.id]
                // Progress of an overlay alone does not justify writing to the disk.
                former?.receivedBytes = record.receivedBytes
                return former != record
            }
        }
        if !changed.isEmpty { registry.put(changed) }
        return live
    }

    /// The session as other programs see it.
    static func record(_ status: SessionStatus) -> SessionRecord {
        var record = SessionRecord(
            id: status.id, stage: status.stage,
            client: status.client, created: Int(status.created.timeIntervalSince1970))
        record.app = status.appName
        record.base = status.baseHash?.hex
        record.vm = status.vm
        record.bootReason = status.bootReason
        record.forwards = status.forwards
        record.receivedBytes = status.receivedBytes
        record.place = status.queuePosition
        if status.stage.isEnded {
            record.ended = Date.secondsNow
            record.reason = status.endReason?.description
            record.failure = status.failure?.description
        }
        return record
    }
}
