// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import Foundation
import Logging
import Synchronization
import SystemPackage

/// The registry as the node uses it. No session waits for the database, because other programs may lock it for long (a
/// backup, `sqlite3`), and a full disk can make it unusable.
///
/// Base VMs are read from the database each time; if that fails, the ones read last are used. Changes of sessions are
/// queued in the order in which they happened, only the newest state of each session, and are written as soon as the
/// database can be written.
final class NodeRegistry: BaseRegister {
    /// An actor with a thread of its own, for calls that block.
    private actor Lane {
        private let executor: QueueExecutor

        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

        init(_ label: String) { executor = QueueExecutor(label: label) }

        func run<Value: Sendable>(
            _ body: @Sendable () throws(CloudletError) -> Value
        ) throws(CloudletError) -> Value { try body() }
    }

    /// A failure of the database, and since when it lasts.
    private struct Trouble {
        let reason: CloudletError
        let since: ContinuousClock.Instant
        var last: ContinuousClock.Instant
    }

    private enum Kind: CaseIterable { case reading, writing }

    private struct Note: Hashable {
        let stamp: BaseStamp
        let isAsRegistered: Bool
    }

    private struct State {
        var bases: [BaseVM]?
        var sessions: [SessionRecord]?
        var troubles: [Kind: Trouble] = [:]
        /// Sessions whose state has not been written yet, the oldest first.
        var pending: [SessionRecord] = []
        /// Results of checking base VMs' files that have not been written yet.
        var notes: [FilePath: Note] = [:]
        /// Sessions of this node.
        var own: Set<SessionID> = []
        /// Whether the sessions of the previous node have been marked as ended.
        var isReconciled = false
    }

    private let path: FilePath
    private let logger: Logger
    private let state = Mutex(State())
    private let handle = Mutex<Registry?>(nil)
    private let reader = Lane("cloudlet-registry-reader")
    private let writer = Lane("cloudlet-registry-writer")

    /// How long one attempt waits for other programs that have locked the database.
    private static let timeout = Duration.milliseconds(200)
    /// How long no attempt is made after one has failed.
    private static let pause = Duration.seconds(1)
    private static let longestBacklog = 10_000

    /// Creates the registry in this database, without opening it yet.
    init(_ path: FilePath, logger: Logger) {
        self.path = path
        self.logger = logger
    }

    /// Opens and reads the registry. If it can't be opened now (locked, a full disk), it is opened later, and its
    /// contents are still read if possible.
    /// - Throws: `CloudletError` when the database is damaged or belongs to another user.
    func open() async throws(CloudletError) {
        do throws(CloudletError) {
            _ = try await reader.run { () throws(CloudletError) in try self.readAll() }
        } catch {
            guard error.code == .busy || error.code == .io else { throw error }
            note(error, .reading)
            let path = path
            let known = try? await reader.run { () throws(CloudletError) in
                let registry = try Registry(alone: path)
                return (bases: try registry.bases(), sessions: try registry.sessions())
            }
            if let known { state.withLock { ($0.bases, $0.sessions) = (known.bases, known.sessions) } }
            logger.error(
                "the registry can't be opened",
                metadata: [
                    "reason": "\(error)", "base VMs": "\(known.map { "\($0.bases.count) known" } ?? "unknown")",
                ])
        }
    }

    /// The registered base VMs. If the registry can't be read, returns the ones read last.
    /// - Throws: `CloudletError` when it could never be read.
    func bases() async throws(CloudletError) -> [BaseVM] {
        if !isTroubled(.reading) {
            do throws(CloudletError) {
                let bases = try await reader.run { () throws(CloudletError) in
                    // If an attempt failed while this task waited, it does not try again.
                    if let trouble = self.fresh(.reading) { throw trouble }
                    return try self.readBases()
                }
                settle(.reading)
                return noted(bases)
            } catch { note(error, .reading) }
        }
        let (known, trouble) = state.withLock { ($0.bases, $0.troubles[.reading]) }
        guard let known else {
            throw trouble?.reason ?? CloudletError(.unavailable, "the registry was not read yet")
        }
        return noted(known)
    }

    /// Returns the base VMs, updated with the results that have not been written yet.
    private func noted(_ bases: [BaseVM]) -> [BaseVM] {
        let notes = state.withLock(\.notes)
        return bases.map { base in
            guard let note = notes[base.files.disk] else { return base }
            var base = base
            if note.isAsRegistered { base.seen = note.stamp } else { base.refused = note.stamp }
            return base
        }
    }

    /// The base VM with this identity.
    func base(hash: SHA256Digest) async throws(CloudletError) -> BaseVM? { try await bases().first { $0.hash == hash } }

    func base(disk: FilePath) async throws(CloudletError) -> BaseVM? {
        try await bases().first { $0.files.disk == disk }
    }

    func note(_ stamp: BaseStamp, isAsRegistered: Bool, of disk: FilePath) async {
        state.withLock { $0.notes[disk] = Note(stamp: stamp, isAsRegistered: isAsRegistered) }
        await flush()
    }

    /// The sessions that the previous node left; `nil` if they can't be read.
    var sessionsLeft: [SessionRecord]? { state.withLock(\.sessions) }

    /// Sessions whose state has not been written yet, the oldest first.
    var unwritten: [SessionRecord] { state.withLock(\.pending) }

    /// Queues the state of sessions, to be written by ``flush()``.
    func put(_ records: [SessionRecord]) {
        state.withLock { state in
            let changed = Set(records.map(\.id))
            state.own.formUnion(changed)
            state.pending = (state.pending.filter { !changed.contains($0.id) } + records).suffix(Self.longestBacklog)
        }
    }

    /// Tries to write the queued changes.
    /// - Returns: whether everything was written.
    @discardableResult
    func flush() async -> Bool {
        guard !isTroubled(.writing) else { return false }
        do throws(CloudletError) {
            try await writer.run { () throws(CloudletError) in
                if let trouble = self.fresh(.writing) { throw trouble }
                try self.writePending()
            }
            settle(.writing)
            return true
        } catch {
            note(error, .writing)
            return false
        }
    }

    /// Tries to write the queued changes until that succeeds, but no longer than `limit`. It has to poll, because
    /// SQLite can't report that another program has unlocked the database.
    func flush(within limit: Duration) async {
        _ = try? await poll(every: Self.pause, for: limit) { () async throws(CloudletError) in await flush() }
    }

    /// Marks the sessions of a node that died as ended, except those that are continued. If the database can't be
    /// written now, this is done later.
    func reconcile(keeping kept: Set<SessionID>) async {
        state.withLock { $0.own.formUnion(kept) }
        await flush()
    }

    /// The current failures; empty if everything works.
    var troubles: [String] {
        let now = ContinuousClock().now
        return state.withLock { state in
            var seen: Set<String> = []
            return Kind.allCases.compactMap { kind in
                guard let trouble = state.troubles[kind] else { return nil }
                let reason = trouble.reason.description
                guard seen.insert(reason).inserted else { return nil }
                let what = kind == .reading ? "base VMs are those known before" : "sessions are recorded later"
                return "\(reason) (for \((now - trouble.since).shown), \(what))"
            }
        }
    }

    /// Checks whether the database can be used, and writes what could not be written before.
    func retry() async {
        _ = try? await bases()
        await flush()
    }

    // MARK: - On the registry's threads

    private func opened() throws(CloudletError) -> Registry {
        try handle.withLock { (handle) throws(CloudletError) in
            if let handle { return handle }
            let registry = try Registry(path, timeout: Self.timeout)
            handle = registry
            return registry
        }
    }

    private func readBases() throws(CloudletError) -> [BaseVM] {
        let bases = try opened().bases()
        state.withLock { $0.bases = bases }
        return bases
    }

    private func readAll() throws(CloudletError) {
        _ = try readBases()
        let sessions = try opened().sessions()
        state.withLock { $0.sessions = sessions }
    }

    private func writePending() throws(CloudletError) {
        let registry = try opened()
        let (pending, notes, own, isReconciled) = state.withLock { ($0.pending, $0.notes, $0.own, $0.isReconciled) }
        if !isReconciled {
            let left = try registry.endSessions(except: own, at: Date.secondsNow, reason: "the node died")
            for session in left {
                logger.notice("a session had not ended when the node died", metadata: ["session": "\(session.id)"])
            }
            state.withLock { $0.isReconciled = true }
        }
        for (disk, note) in notes {
            try registry.note(note.stamp, isAsRegistered: note.isAsRegistered, of: disk)
            state.withLock { if $0.notes[disk] == note { $0.notes[disk] = nil } }
        }
        guard !pending.isEmpty else { return try registry.requireWritable() }
        try registry.write(pending)
        state.withLock { state in
            // Sessions that have changed meanwhile stay queued.
            state.pending.removeAll { pending.contains($0) }
        }
    }

    // MARK: - Failures

    /// The error of an attempt that failed a moment ago.
    private func fresh(_ kind: Kind) -> CloudletError? {
        let now = ContinuousClock().now
        return state.withLock { Self.fresh($0.troubles[kind], now) }
    }

    private static func fresh(_ trouble: Trouble?, _ now: ContinuousClock.Instant) -> CloudletError? {
        // This is shorter than the time between two attempts, so that no attempt is skipped.
        trouble.flatMap { now - $0.last < pause * 0.9 ? $0.reason : nil }
    }

    private func isTroubled(_ kind: Kind) -> Bool { fresh(kind) != nil }

    private func note(_ error: CloudletError, _ kind: Kind) {
        let now = ContinuousClock().now
        let isNew = state.withLock { state in
            defer {
                if Self.fresh(state.troubles[kind], now) == nil {
                    state.troubles[kind] = Trouble(
                        reason: error, since: state.troubles[kind]?.since ?? now, last: now)
                }
            }
            return state.troubles[kind] == nil
        }
        if isNew { logger.error("the registry does not work", metadata: ["reason": "\(error)"]) }
    }

    private func settle(_ kind: Kind) {
        guard state.withLock({ $0.troubles.removeValue(forKey: kind) }) != nil else { return }
        logger.notice("the registry can be used again")
    }
}
