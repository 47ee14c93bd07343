// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletSystem
import CloudletWire
import Foundation
import Synchronization

/// One session: its ``SessionState`` behind a lock, the events that tasks wait for, and the resources to release at its
/// end.
final class Session: Sendable {
    /// What the lock protects.
    struct Guarded {
        var state: SessionState
        var peer: Peer?
        var reports: AsyncStream<SessionReport>.Continuation?
        /// The share of the memory for metas that the session's meta uses; held until the session has ended.
        var holding: MetaBudget.Account?
        /// The event that wakes tasks when their deadlines may have changed. It is then replaced by another one.
        var change = AsyncEvent()
    }

    let id: SessionID
    let born = ContinuousClock.now
    /// Passes the pieces of the overlay to the synthesis.
    let pieces = BlobChannel()
    let guarded: Mutex<Guarded>
    let events = Dictionary(uniqueKeysWithValues: SessionState.Milestone.allCases.map { ($0, AsyncEvent()) })
    private let changed: @Sendable () -> Void

    private init(_ state: SessionState, changed: @escaping @Sendable () -> Void) {
        id = state.id
        self.changed = changed
        guarded = Mutex(Guarded(state: state))
        update { _ in }
    }

    /// Creates a session.
    /// - Parameters:
    ///   - id: its number.
    ///   - client: the client's address.
    ///   - changed: called whenever its status changes.
    convenience init(id: SessionID, client: String, changed: @escaping @Sendable () -> Void = {}) {
        self.init(SessionState(id: id, client: client, created: Date()), changed: changed)
    }

    /// Creates a session whose VM already runs, and that waits for its client to reconnect.
    convenience init(adopting status: SessionStatus, changed: @escaping @Sendable () -> Void = {}) {
        self.init(SessionState(adopting: status, at: .now), changed: changed)
        pieces.finish()
    }

    /// The session's status.
    var status: SessionStatus { guarded.withLock(\.state.status) }
    /// Why the session ends or has ended.
    var endReason: EndReason? { guarded.withLock(\.state.endReason) }
    /// The error that a client receives when the session ends unexpectedly.
    var endError: CloudletError { guarded.withLock(\.state.endError) }
    /// Whether the session has ended.
    var isEnded: Bool { guarded.withLock { $0.state.hasReached(.ended) } }
    /// Whether a connection is attached to the session.
    var isConnected: Bool { guarded.withLock { $0.state.connection.state == .attached } }
    /// Whether the client has not used the session yet.
    var isUnused: Bool { guarded.withLock { $0.state.phase == .created } }

    /// Changes the state, and triggers the events of the milestones that were reached.
    @discardableResult
    func update<Result: Sendable>(_ change: (inout Guarded) -> Result) -> Result {
        let (result, reached, wake, isNews) = guarded.withLock { guarded in
            let before = guarded.state
            let result = change(&guarded)
            let state = guarded.state
            var wake: AsyncEvent?
            if before.connection.state != state.connection.state || before.endReason != state.endReason {
                wake = guarded.change
                guarded.change = AsyncEvent()
            }
            if state.hasReached(.ended) { guarded.holding = nil }
            return (
                result, SessionState.Milestone.allCases.filter(state.hasReached), wake, before.status != state.status
            )
        }
        for milestone in reached { events[milestone]?.set() }
        if reached.contains(.ended) { pieces.finish() }
        wake?.set()
        if isNews { changed() }
        return result
    }

    // MARK: - The work

    /// Notes that the session's overlay is being fetched.
    /// - Returns: `false` if it is being fetched already, or a synthesis has begun.
    func beginFetch() -> Bool { update { $0.state.beginFetch() } }

    /// Notes that the session's overlay is no longer being fetched.
    func endFetch() { update { _ = $0.state.endFetch() } }

    /// Begins the synthesis.
    /// - Parameters:
    ///   - meta: the digest of its meta.
    ///   - details: what the client announced.
    ///   - holding: the share of the memory for metas that the meta uses; held until the session has ended.
    /// - Returns: `false` if a synthesis was begun before.
    func begin(meta: SHA256Digest, _ details: SessionState.Details = .init(), holding: MetaBudget.Account? = nil)
        -> Bool
    {
        update { guarded in
            guard guarded.state.begin(meta: meta, details) else { return false }
            guarded.holding = holding
            return true
        }
    }

    /// Notes that the session has room on the node, and that some blobs of so many bytes are not needed.
    /// - Returns: `false` if the session's end was requested.
    func admit(without unneeded: Set<Int> = [], bytes: Int = 0) -> Bool {
        update { $0.state.admit(without: unneeded, bytes: bytes) }
    }

    /// Notes the progress of the synthesis, and sends a report if there is something new.
    func note(_ progress: SynthesisProgress) {
        // This does not use `update`, because it is called for every piece and reaches no milestone.
        let isNews = guarded.withLock { guarded in
            guard let report = guarded.state.note(progress) else { return false }
            guarded.reports?.yield(report)
            return true
        }
        if isNews { changed() }
    }

    /// Notes that the VM runs.
    /// - Returns: `false` if the session's end was requested.
    func run(_ machine: any SynthesizedVM) -> Bool { update { $0.state.run(machine.name, machine.details) } }

    /// Informs the client that the VM runs.
    func announce(_ machine: any SynthesizedVM) { update { _ = $0.state.announce(machine.details) } }

    /// Notes that the synthesis failed and was cleaned up.
    func fail(_ error: CloudletError) { update { _ = $0.state.fail(error) } }

    /// Requests the end of the session.
    @discardableResult
    func requestEnd(_ reason: EndReason) -> SessionState.EndRequest { update { $0.state.requestEnd(reason) } }

    /// Ends the session if the client has not used it.
    /// - Returns: whether the session has ended.
    func endIfUnused() -> Bool { update { $0.state.endIfUnused() } }

    /// Notes that the session's VM and files are gone.
    func end() { update { _ = $0.state.end() } }
}
