import CloudletCore
import CloudletWire
import Foundation

/// The life of a session as a pure state machine: no I/O and no clock; the time comes as a parameter.
///
/// ```
/// created <--> fetching          an overlay is fetched for it, or not any more
/// created, fetching --begin--> waiting --admit--> receiving --resuming--> resuming --run--> running
/// created, fetching --requestEnd--> ended
/// waiting, receiving, resuming, running --requestEnd--> ending --end--> ended
/// waiting, receiving, resuming --fail--> ended
/// ```
/// A transition that the present phase does not allow changes nothing and returns `false` or `nil`.
struct SessionState: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Where in its life a session is.
    enum Phase: Sendable, Hashable {
        case created
        case fetching
        /// It waits for room on the node, in the queue if it has a position.
        case waiting(position: Int?)
        case receiving
        case resuming
        case running
        /// Its end was requested while it was at `stage`; what it has brought up is taken down.
        case ending(EndReason, at: SynthesisStage)
        case ended(EndReason, at: SynthesisStage)
    }

    /// What became of the synthesis, for the client.
    enum Outcome: Sendable {
        /// The VM runs.
        case running([ServerMessage.ReportedForward])
        /// There will be no VM.
        case failed(CloudletError)
    }

    /// What others wait for. Once reached, each stays reached.
    enum Milestone: Sendable, Hashable, CaseIterable {
        /// The session has room on the node, or never will.
        case decided
        /// It is known what became of the synthesis.
        case settled
        /// The end was requested.
        case endRequested
        /// The session is over and its VM is gone.
        case ended
    }

    /// What requesting the end did.
    enum EndRequest: Sendable, Hashable {
        /// Nothing was begun: the session is over.
        case ended
        /// The session is ending now.
        case accepted
        /// It was ending or over before.
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
    private(set) var failure: CloudletError.Code?
    private var lastReport: SessionReport?

    /// What the client announced.
    struct Details: Sendable, Hashable {
        var appName: String?
        var baseHash: SHA256Digest?
        /// Bytes of all blobs.
        var totalBytes = 0
    }

    /// A session that was just made.
    init(id: SessionID, client: String, created: Date) {
        (self.id, self.client, self.created) = (id, client, created)
    }

    /// A session of an earlier node whose VM runs already and that waits for its client to reconnect.
    init(adopting status: SessionStatus, at now: Instant) {
        self.init(id: status.id, client: status.client, created: status.created)
        phase = .running
        outcome = .failed(CloudletError(.protocolViolation, "the session's VM runs already"))
        connection.lose(at: now)
        details = Details(appName: status.appName, baseHash: status.baseHash)
        (vm, forwards) = (status.vm, status.forwards)
    }

    // MARK: - Transitions

    /// An overlay is being fetched for the session.
    mutating func beginFetch() -> Bool {
        guard phase == .created else { return false }
        phase = .fetching
        return true
    }

    /// The overlay is not being fetched any more.
    @discardableResult mutating func endFetch() -> Bool {
        guard phase == .fetching else { return false }
        phase = .created
        return true
    }

    /// The synthesis of an overlay begins.
    mutating func begin(meta: SHA256Digest, _ details: Details) -> Bool {
        guard phase == .created || phase == .fetching else { return false }
        phase = .waiting(position: nil)
        (self.meta, self.details) = (meta, details)
        return true
    }

    /// The session has room on the node.
    mutating func admit() -> Bool {
        guard case .waiting = phase else { return false }
        phase = .receiving
        return true
    }

    /// The work went on.
    /// - Returns: what there is to report that was not reported last: a percent more, not every piece that comes.
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
        // What comes late changes nothing any more.
        default: return nil
        }
        guard report != lastReport else { return nil }
        lastReport = report
        return report
    }

    /// The VM runs. The client does not know yet.
    mutating func run(_ vm: String, _ forwards: [ServerMessage.ReportedForward]) -> Bool {
        guard phase == .receiving || phase == .resuming else { return false }
        phase = .running
        self.vm = vm
        self.forwards = forwards.map { "\($0.address) \($0.forward)" }
        return true
    }

    /// The client may know that the VM runs.
    mutating func announce(_ forwards: [ServerMessage.ReportedForward]) -> Bool {
        guard phase == .running, outcome == nil else { return false }
        outcome = .running(forwards)
        return true
    }

    /// Somebody or something wants the session to end. The first reason stays.
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

    /// Ends the session if nothing was begun with it.
    mutating func endIfUnused() -> Bool {
        guard phase == .created else { return false }
        finish(.unused)
        return true
    }

    /// The synthesis failed, and nothing of it is left. A session whose end was requested is over for that reason.
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

    /// Everything that the session had brought up is gone.
    mutating func end() -> Bool {
        guard case .ending(let reason, _) = phase else { return false }
        finish(reason)
        return true
    }

    private mutating func finish(_ reason: EndReason) {
        let stage = stage
        // A synthesis that was begun and has not come to its end was interrupted.
        let wasInterrupted = [.waiting, .receiving, .resuming].contains(stage)
        failure = reason.failure ?? (wasInterrupted ? .interrupted : nil)
        phase = .ended(reason, at: stage)
        if outcome == nil { outcome = .failed(CloudletError(.interrupted, reason.description)) }
    }
}
