import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Foundation
import Synchronization

/// One session: what it is doing, and the wishes that reach it from any connection.
final class Session: Sendable {
    /// What became of the synthesis.
    enum Outcome: Sendable {
        /// The VM runs.
        case running([ServerMessage.ReportedForward])
        /// There will be no VM.
        case failed(CloudletError)
    }

    private struct State {
        var status: SessionStatus
        /// Digest of the meta, for a client that comes back with it.
        var meta: SHA256Digest?
        /// Whether its overlay is being fetched.
        var isFetching = false
        /// Since when no connection does.
        var lostSince: ContinuousClock.Instant?
        /// Whether its client goes on with it by itself when a connection is lost.
        var comesBack = false
        /// Has the system look whether the connection is still there, at once or at the usual times.
        var probe: (@Sendable (_ isUrgent: Bool) -> Void)?
        var listener: AsyncStream<SessionReport>.Continuation?
        /// The place of the connection that speaks for the session.
        var speaker: ConnectionShares.Place?
        /// What its meta takes of the memory for all.
        var holding: HeldMetas.Holding?
        var lastReport: SessionReport?
        var finishReason: String?
        var outcome: Outcome?

        var isUnused: Bool { status.stage == .created && !isFetching }
    }

    let id: SessionID
    let born = ContinuousClock().now
    /// The overlay as it comes.
    let transfer = SessionTransfer()
    private let state: Mutex<State>
    /// Opens when somebody wants the session to end.
    private let wish = AsyncEvent()
    private let decided = AsyncEvent()
    private let settled = AsyncEvent()
    /// Opens when the session has ended and its VM is gone.
    private let end = AsyncEvent()

    init(id: SessionID, client: String) {
        self.id = id
        state = Mutex(State(status: SessionStatus(id: id, client: client, created: Date())))
    }

    /// A session whose VM runs already, and that waits for its client to come back.
    init(adopting status: SessionStatus) {
        id = status.id
        state = Mutex(State(status: status, lostSince: ContinuousClock().now))
        transfer.finish()
    }

    /// What the session is doing.
    var status: SessionStatus {
        state.withLock(\.status)
    }

    func update(_ change: (inout SessionStatus) -> Void) { state.withLock { change(&$0.status) } }

    // MARK: - Connections

    /// Whether nobody has begun anything with the session.
    var isUnused: Bool { state.withLock { $0.isUnused } }

    /// Notes that its overlay is fetched from now on.
    /// - Returns: `false` when that, or a synthesis, was begun already.
    func beginFetch() -> Bool {
        state.withLock { state in
            guard state.status.stage == .created, !state.isFetching else { return false }
            state.isFetching = true
            return true
        }
    }

    /// Notes that its overlay is fetched no more.
    func endFetch() { state.withLock { $0.isFetching = false } }

    /// Whether a connection, and none that came later, speaks for the session.
    func isSpokenFor(by owner: Int) -> Bool { transfer.owner == owner }

    /// Moves the session from being made to being worked on.
    /// - Parameters:
    ///   - meta: the digest of its meta.
    ///   - holding: what the meta takes of the memory for all; kept until the session has ended.
    /// - Returns: `false` when somebody did already.
    func begin(meta: SHA256Digest, holding: HeldMetas.Holding? = nil) -> Bool {
        state.withLock { state in
            guard state.status.stage == .created else { return false }
            state.status.stage = .waiting
            state.meta = meta
            state.holding = holding
            return true
        }
    }

    /// Notes that the session has a place on the node.
    func admit() {
        state.withLock { state in
            if state.status.stage == .waiting { state.status.stage = .receiving }
            state.status.place = nil
        }
        decided.set()
    }

    /// Waits until the session has a place, has failed, or the task is cancelled.
    /// - Returns: whether it has a place.
    func waitForAdmission() async -> Bool {
        await decided.wait()
        return decided.isSet && state.withLock { $0.outcome == nil || $0.status.stage == .running }
    }

    /// Whether a client may come back to the session with this meta.
    func isResumable(with meta: SHA256Digest) -> Bool {
        state.withLock { $0.meta == meta && !$0.status.stage.isEnded && $0.finishReason == nil }
    }

    /// Notes that a connection speaks for the session: the one that was attached to its transfer last.
    /// - Parameters:
    ///   - place: the connection's place; that of the one before is kept for nothing any more.
    ///   - comesBack: whether its client goes on with the session by itself when the connection is lost.
    ///   - probe: has the system look whether the connection is still there, at once or at the usual times.
    /// - Returns: how far the synthesis is, until another connection takes over.
    func attach(
        _ place: ConnectionShares.Place, comesBack: Bool, probe: @escaping @Sendable (_ isUrgent: Bool) -> Void
    ) -> AsyncStream<SessionReport> {
        let (stages, listener) = AsyncStream.makeStream(of: SessionReport.self, bufferingPolicy: .bufferingNewest(1))
        let former = state.withLock { state in
            state.lostSince = nil
            (state.comesBack, state.probe) = (comesBack, probe)
            defer { (state.listener, state.speaker) = (listener, place) }
            return (listener: state.listener, place: state.speaker)
        }
        former.listener?.finish()
        if former.place !== place { former.place?.isBusy = false }
        return stages
    }

    /// Notes how far the synthesis is. Only news is reported: a percent more, not every piece that comes.
    func note(_ progress: SynthesisProgress) {
        state.withLock { state in
            // What comes late changes nothing any more.
            guard state.status.stage != .running, !state.status.stage.isEnded else { return }
            switch progress {
            case .waiting(let position): state.status.place = position
            case .received(let bytes):
                state.status.stage = .receiving
                state.status.receivedBytes += bytes
            case .resuming: state.status.stage = .resuming
            }
            let report = SessionReport(state.status)
            guard report != state.lastReport else { return }
            state.lastReport = report
            state.listener?.yield(report)
        }
    }

    /// The connection that speaks for the session is over. The session outlives it for a while once its VM runs, and
    /// before where `comesBack` says so; else it is asked to end. Does nothing when another connection speaks for it by
    /// now.
    func leave(_ owner: Int, comesBack: Bool, _ reason: String) {
        // Asked under the lock: one that takes over meanwhile has its say in `attach` afterwards.
        let ends = state.withLock { state in
            guard isSpokenFor(by: owner) else { return false }
            guard state.status.stage == .running || comesBack else {
                if state.finishReason == nil { state.finishReason = reason }
                return true
            }
            state.lostSince = ContinuousClock().now
            return false
        }
        if ends { wish.set() }
    }

    /// The connection that speaks for the session was ended for a fault of its client or of the synthesis: so is the
    /// session, unless its VM runs or another connection speaks for it by now.
    func fail(_ owner: Int, _ reason: String) {
        let ends = state.withLock { state in
            guard isSpokenFor(by: owner), state.status.stage != .running else { return false }
            if state.finishReason == nil { state.finishReason = reason }
            return true
        }
        if ends { wish.set() }
    }

    /// Ends the session, whose VM runs, if nobody speaks for it; one whose client comes back by itself is given a moment
    /// for that.
    /// - Returns: whether it ends now.
    func giveUpIfAbandoned(_ reason: String) -> Bool {
        let isAbandoned = state.withLock { state in
            guard state.status.stage == .running, state.finishReason == nil, let since = state.lostSince,
                !state.comesBack || ContinuousClock().now - since > Self.comebackMoment
            else { return false }
            state.finishReason = reason
            return true
        }
        if isAbandoned { wish.set() }
        return isAbandoned
    }

    private static let comebackMoment = Duration.seconds(3)

    /// Whether its VM is of this overlay and runs for this client.
    func runs(_ meta: SHA256Digest, for client: String) -> Bool {
        state.withLock { $0.meta == meta && $0.status.client == client && $0.status.stage == .running }
    }

    /// Has the system look whether the connection that speaks for it is still there, at once or at the usual times.
    func probe(isUrgent: Bool) { state.withLock(\.probe)?(isUrgent) }

    /// How long no connection speaks for the session.
    var lostFor: Duration? { state.withLock(\.lostSince).map { ContinuousClock().now - $0 } }

    // MARK: - The end

    /// Asks for the end of the session.
    func finish(_ reason: String) {
        state.withLock { if $0.finishReason == nil { $0.finishReason = reason } }
        wish.set()
    }

    /// Why somebody wants the session to end.
    var finishReason: String? { state.withLock(\.finishReason) }

    /// Waits until somebody wants the session to end, or the task is cancelled.
    func waitForWish() async { await wish.wait() }

    /// Notes what became of the synthesis.
    func settle(_ outcome: Outcome) {
        state.withLock { if $0.outcome == nil { $0.outcome = outcome } }
        decided.set()
        settled.set()
    }

    /// Waits for what becomes of the synthesis; `nil` when the task is cancelled.
    func outcome() async -> Outcome? {
        await settled.wait()
        return state.withLock(\.outcome)
    }

    /// Marks the session as over.
    func markEnded(_ reason: String) { end(reason) { _ in true } }

    /// Marks the session as over unless its synthesis was begun.
    /// - Returns: whether it is over now.
    @discardableResult
    func endUnlessBegun(_ reason: String) -> Bool { end(reason) { $0.status.stage == .created } }

    /// Marks the session as over if nobody has begun anything with it.
    /// - Returns: whether it is over now.
    @discardableResult
    func endIfUnused(_ reason: String) -> Bool { end(reason) { $0.isUnused } }

    /// Whether the session may end is asked under the lock: one that is begun at the same time is either over before, and
    /// can't be begun, or goes on.
    @discardableResult
    private func end(_ reason: String, if mayEnd: (State) -> Bool) -> Bool {
        let ends = state.withLock { state in
            guard !state.status.stage.isEnded, mayEnd(state) else { return false }
            state.status.stage = .ended
            state.status.endReason = reason
            // Who waits for a wish looks for its reason, and would look again and again.
            if state.finishReason == nil { state.finishReason = reason }
            state.holding = nil
            return true
        }
        guard ends else { return false }
        wish.set()
        settle(.failed(CloudletError(.interrupted, reason)))
        transfer.finish()
        end.set()
        return true
    }

    /// Waits until the session is over, or the task is cancelled.
    func waitForEnd() async { await end.wait() }
}

/// What a session reports to its client.
struct SessionReport: Sendable, Hashable {
    let stage: SynthesisStage
    /// How much of the overlay was received, 0 to 100.
    var percent: UInt64?
    /// Its position in the queue.
    var position: Int?

    init(_ status: SessionStatus) {
        stage = status.stage
        if stage == .receiving { percent = UInt64(status.receivedBytes * 100 / max(1, status.totalBytes)) }
        if stage == .waiting { position = status.place }
    }
}
