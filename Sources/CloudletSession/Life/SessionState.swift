// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire
import Foundation

/// The life cycle of a session as a pure state machine: no I/O and no clock; the time comes as a parameter.
///
/// ```
/// created <--> fetching          an overlay begins to be fetched, or the fetch ends
/// created, fetching --begin--> waiting --admit--> receiving --resuming--> resuming --run--> running
/// created, fetching --requestEnd--> ended
/// waiting, receiving, resuming, running --requestEnd--> ending --end--> ended
/// waiting, receiving, resuming --fail--> ended
/// ```
/// A transition that the current phase does not allow changes nothing and returns `false` or `nil`.
struct SessionState: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The phases of a session.
    enum Phase: Sendable, Hashable {
        case created
        case fetching
        /// It waits for room on the node. It has a position while it is in the queue.
        case waiting(position: Int?)
        case receiving
        case resuming
        case running
        /// Its end was requested at `stage`; its VM and files are being removed.
        case ending(EndReason, at: SynthesisStage)
        case ended(EndReason, at: SynthesisStage)
    }

    /// The outcome of the synthesis, as reported to the client.
    enum Outcome: Sendable {
        /// The VM runs.
        case running(ServerMessage.Details)
        /// There will be no VM.
        case failed(CloudletError)
    }

    /// The milestones that tasks wait for. Once reached, a milestone stays reached.
    enum Milestone: Sendable, Hashable, CaseIterable {
        /// The session has got room on the node, or will not get any.
        case decided
        /// The outcome of the synthesis is known.
        case settled
        /// The end was requested.
        case endRequested
        /// The session is over and its VM is gone.
        case ended
    }

    /// The result of requesting the end.
    enum EndRequest: Sendable, Hashable {
        /// The session had not been used, so it has ended.
        case ended
        /// The session is ending.
        case accepted
        /// The session was ending or had ended before.
        case tooLate
    }

    let id: SessionID
    let client: String
    let created: Date
    private(set) var phase = Phase.created
    private(set) var outcome: Outcome?
    var connection = SessionConnection()
    var transfer = TransferState()
    /// Digest of the overlay's meta.
    private(set) var meta: SHA256Digest?
    private(set) var details: Details?
    private(set) var receivedBytes = 0
    private(set) var vm: String?
    private(set) var forwards: [String] = []
    private(set) var bootReason: String?
    private(set) var failure: CloudletError.Code?
    private var lastReport: SessionReport?

    /// What the client announced.
    struct Details: Sendable, Hashable {
        var appName: String?
        var baseHash: SHA256Digest?
        /// Bytes of all blobs.
        var totalBytes = 0
    }

    /// Creates the state of a new session.
    init(id: SessionID, client: String, created: Date) {
        (self.id, self.client, self.created) = (id, client, created)
    }

    /// Creates the state of a session of an earlier node. Its VM runs, and it waits for its client to reconnect.
    init(adopting status: SessionStatus, at now: Instant) {
        self.init(id: status.id, client: status.client, created: status.created)
        phase = .running
        outcome = .failed(CloudletError(.protocolViolation, "the session's VM runs already"))
        connection.lose(at: now)
        details = Details(appName: status.appName, baseHash: status.baseHash)
        (vm, forwards, bootReason) = (status.vm, status.forwards, status.bootReason)
    }

    // MARK: - Transitions

    /// Notes that an overlay is being fetched for the session.
    mutating func beginFetch() -> Bool {
        guard phase == .created else { return false }
        phase = .fetching
        return true
    }

    /// Notes that the overlay is no longer being fetched.
    @discardableResult mutating func endFetch() -> Bool {
        guard phase == .fetching else { return false }
        phase = .created
        return true
    }

    /// Notes that the synthesis of an overlay begins.
    mutating func begin(meta: SHA256Digest, _ details: Details) -> Bool {
        guard phase == .created || phase == .fetching else { return false }
        phase = .waiting(position: nil)
        (self.meta, self.details) = (meta, details)
        return true
    }

    /// Notes that the session has room on the node, and that blobs of so many bytes are not needed.
    mutating func admit(without unneeded: Set<Int> = [], bytes: Int = 0) -> Bool {
        guard case .waiting = phase else { return false }
        phase = .receiving
        transfer.skip(unneeded)
        details?.totalBytes -= bytes
        return true
    }

    /// Notes the progress of the synthesis.
    /// - Returns: the report to send, if it differs from the last one. Received bytes are reported once for each
    ///   percent.
    mutating func note(_ progress: SynthesisProgress) -> SessionReport? {
        let report: SessionReport
        switch (progress, phase) {
        case (.waiting(let position), .waiting):
            phase = .waiting(position: position)
            report = .queued(position: position)
        case (.received(let bytes), .receiving):
            receivedBytes += bytes
            report = .received(percent: UInt64(receivedBytes * 100 / max(1, details?.totalBytes ?? 0)))
        case (.resuming, .receiving):
            phase = .resuming
            report = .resuming
        // Late progress is ignored.
        default: return nil
        }
        guard report != lastReport else { return nil }
        lastReport = report
        return report
    }

    /// Notes that the VM runs. The client is informed later, by ``announce(_:)``.
    mutating func run(_ vm: String, _ details: ServerMessage.Details) -> Bool {
        guard phase == .receiving || phase == .resuming else { return false }
        phase = .running
        self.vm = vm
        forwards = details.forwards.map { "\($0.address) \($0.forward)" }
        bootReason = details.boot?.reason
        return true
    }

    /// Allows the client to be informed that the VM runs.
    mutating func announce(_ details: ServerMessage.Details) -> Bool {
        guard phase == .running, outcome == nil else { return false }
        outcome = .running(details)
        return true
    }

    /// Requests the end of the session. The first reason given is kept.
    @discardableResult mutating func requestEnd(_ reason: EndReason) -> EndRequest {
        switch phase {
        case .created, .fetching:
            finish(reason)
            return .ended
        case .waiting, .receiving, .resuming, .running:
            phase = .ending(reason, at: stage)
            return .accepted
        case .ending, .ended: return .tooLate
        }
    }

    /// Ends the session if the client has not used it.
    mutating func endIfUnused() -> Bool {
        guard phase == .created else { return false }
        finish(.unused)
        return true
    }

    /// Notes that the synthesis failed and was cleaned up. If the end was requested before, that reason is kept.
    mutating func fail(_ error: CloudletError) -> Bool {
        switch phase {
        case .waiting, .receiving, .resuming:
            outcome = .failed(error)
            finish(.failed(EndReason.Failure(error)))
        case .ending(let reason, let stage) where stage != .running: finish(reason)
        default: return false
        }
        return true
    }

    /// Notes that the session's VM and files are gone.
    mutating func end() -> Bool {
        guard case .ending(let reason, _) = phase else { return false }
        finish(reason)
        return true
    }

    private mutating func finish(_ reason: EndReason) {
        let stage = stage
        // A synthesis that had begun but not finished was interrupted.
        let wasInterrupted = [.waiting, .receiving, .resuming].contains(stage)
        failure = reason.failure ?? (wasInterrupted ? .interrupted : nil)
        phase = .ended(reason, at: stage)
        if outcome == nil { outcome = .failed(CloudletError(.interrupted, reason.description)) }
    }
}
