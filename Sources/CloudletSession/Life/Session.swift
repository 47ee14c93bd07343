import AsyncAlgorithms
import CloudletCore
import CloudletSystem
import CloudletWire
import Foundation
import Synchronization

/// One session: its ``SessionState`` behind a lock, the events that others wait for, and what is released when it ends.
final class Session: Sendable {
    /// What the lock protects.
    struct Guarded {
        var state: SessionState
        var peer: Peer?
        var reports: AsyncStream<SessionReport>.Continuation?
        /// What its meta takes of the memory for all; kept until the session has ended.
        var holding: HeldMetas.Holding?
        /// Set when what deadlines depend on has changed, and replaced then.
        var change = AsyncEvent()
    }

    let id: SessionID
    let born = ContinuousClock.now
    /// The overlay on its way to the synthesis.
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

    /// A session that was just made.
    /// - Parameters:
    ///   - id: its number.
    ///   - client: the client's address.
    ///   - changed: called whenever its status has changed.
    convenience init(id: SessionID, client: String, changed: @escaping @Sendable () -> Void = {}) {
        self.init(SessionState(id: id, client: client, created: Date()), changed: changed)
    }

    /// A session whose VM runs already, and that waits for its client to reconnect.
    convenience init(adopting status: SessionStatus, changed: @escaping @Sendable () -> Void = {}) {
        self.init(SessionState(adopting: status, at: .now), changed: changed)
        pieces.finish()
    }

    /// What the session is doing.
    var status: SessionStatus { guarded.withLock(\.state.status) }
    /// Why it ends or has ended.
    var endReason: EndReason? { guarded.withLock(\.state.endReason) }
    /// What a client receives when the session ends without its asking.
    var endError: CloudletError { guarded.withLock(\.state.endError) }
    /// Whether the session is over.
    var isEnded: Bool { guarded.withLock { $0.state.hasReached(.ended) } }
    /// Whether a connection speaks for the session.
    var isConnected: Bool { guarded.withLock { $0.state.connection.state == .attached } }
    /// Whether nothing was begun with the session.
    var isUnused: Bool { guarded.withLock { $0.state.phase == .created } }

    /// Changes the state, and sets the events of what it has reached.
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

    /// Notes that its overlay is being fetched from now on.
    /// - Returns: `false` when it is already, or a synthesis was begun.
    func beginFetch() -> Bool { update { $0.state.beginFetch() } }

    /// Notes that its overlay is not being fetched any more.
    func endFetch() { update { _ = $0.state.endFetch() } }

    /// Begins the synthesis.
    /// - Parameters:
    ///   - meta: the digest of its meta.
    ///   - details: what the client announced.
    ///   - holding: what the meta takes of the memory for all; kept until the session has ended.
    /// - Returns: `false` when it was begun before.
    func begin(meta: SHA256Digest, _ details: SessionState.Details = .init(), holding: HeldMetas.Holding? = nil) -> Bool
    {
        update { guarded in
            guard guarded.state.begin(meta: meta, details) else { return false }
            guarded.holding = holding
            return true
        }
    }

    /// Notes that the session has room on the node.
    /// - Returns: `false` when its end was requested.
    func admit() -> Bool { update { $0.state.admit() } }

    /// Notes how far the synthesis is, and reports what is new.
    func note(_ progress: SynthesisProgress) {
        // Not by `update`: this comes with every piece, and brings no session to a milestone.
        let isNews = guarded.withLock { guarded in
            guard let report = guarded.state.note(progress) else { return false }
            guarded.reports?.yield(report)
            return true
        }
        if isNews { changed() }
    }

    /// Notes that the VM runs.
    /// - Returns: `false` when the end was requested.
    func run(_ machine: any SynthesizedVM) -> Bool { update { $0.state.run(machine.name, machine.forwards) } }

    /// Lets the client know that the VM runs.
    func announce(_ machine: any SynthesizedVM) { update { _ = $0.state.announce(machine.forwards) } }

    /// Notes that the synthesis failed and nothing of it is left.
    func fail(_ error: CloudletError) { update { _ = $0.state.fail(error) } }

    /// Requests the end of the session.
    @discardableResult
    func requestEnd(_ reason: EndReason) -> SessionState.EndRequest { update { $0.state.requestEnd(reason) } }

    /// Ends the session if nothing was begun with it.
    /// - Returns: whether it is over now.
    func endIfUnused() -> Bool { update { $0.state.endIfUnused() } }

    /// Notes that everything the session had brought up is gone.
    func end() { update { _ = $0.state.end() } }
}
